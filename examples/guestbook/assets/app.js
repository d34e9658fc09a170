// Keeps the figures and entries fresh by server-sent events, and talks to the echo websocket.
const events = new EventSource("/events");
events.onmessage = async ({ data }) => {
  const figures = JSON.parse(data);
  for (const element of document.querySelectorAll("[data-figure]"))
    element.textContent = figures[element.dataset.figure];
  const answer = await fetch("/entries");
  if (answer.ok) document.querySelector("#entries").innerHTML = await answer.text();
};

const heard = document.querySelector("#heard");
const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/echo`);
let sent = 0;
socket.onopen = () => (heard.textContent = "Connected.");
socket.onclose = () => (heard.textContent = "The connection was closed. Reload to open it again.");
socket.onmessage = ({ data }) =>
  (heard.textContent = `Heard “${data}” after ${(performance.now() - sent).toFixed(1)} ms.`);
document.querySelector("#echo").onsubmit = (submit) => {
  submit.preventDefault();
  sent = performance.now();
  socket.send(new FormData(submit.target).get("text"));
};
