(function () {
  var bar = document.querySelector(".bar i");
  var list = document.querySelector("ul");
  var status = document.querySelector("[data-status]");
  var began = Number(document.body.parentNode.dataset.waited || 0);
  var opened = Date.now(), estimate = 0;
  function draw(state) {
    estimate = state.estimate_seconds || estimate;
    if (state.waited_seconds !== undefined) { began = state.waited_seconds; opened = Date.now(); }
    if (status && state.sentence) { status.textContent = state.sentence; }
    if (list && state.steps) {
      list.textContent = "";
      state.steps.forEach(function (step) {
        var item = document.createElement("li"), name = document.createElement("b"), detail = document.createElement("span");
        item.className = step.state; name.textContent = step.name;
        detail.textContent = step.text || "";
        item.appendChild(name); item.appendChild(detail); list.appendChild(item);
      });
    }
  }
  function move() {
    if (!bar) { return; }
    var waited = began + (Date.now() - opened) / 1000;
    bar.style.width = Math.max(4, 96 * (1 - Math.exp(-1.6 * waited / (estimate || 30)))) + "%";
  }
  function ask(after) {
    fetch("/.reviewapps/status?after=" + encodeURIComponent(after), { cache: "no-store", headers: { Accept: "application/json" } })
      .then(function (answer) { return answer.json(); })
      .then(function (state) {
        if (state.served || state.state !== document.body.parentNode.dataset.state) { location.replace(location.href); return; }
        draw(state);
        setTimeout(ask, 250, state.seen);
      })
      .catch(function () { setTimeout(ask, 3000, ""); });
  }
  setInterval(move, 500); move();
  ask("");
})();
