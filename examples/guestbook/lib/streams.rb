# Connections that outlive their request: the socket is taken over, so that unicorn's worker is free.
require "websocket"

module Streams
  EVENTS_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n" \
                "X-Accel-Buffering: no\r\nConnection: close\r\n\r\n"

  ANSWERS = { text: :text, binary: :binary, ping: :pong, close: :close }.freeze

  def self.take_over(env)
    io = env["rack.hijack"].call
    Thread.new do
      yield io
    rescue SystemCallError, IOError
      nil # the browser left
    ensure
      io.close
    end
    [200, {}, []]
  end

  # Server-sent events: the figures, whenever they change.
  Events = lambda do |env|
    take_over(env) do |io|
      io.write(EVENTS_HEAD)
      last = nil
      loop do
        now = ActiveRecord::Base.connection_pool.with_connection { Pages.figures }
        io.write(now == last ? ": still here\n\n" : "data: #{JSON.dump(now)}\n\n")
        last = now
        sleep 1
      end
    end
  end

  # A websocket that says back what it hears.
  Echo = lambda do |env|
    shake = WebSocket::Handshake::Server.new
    shake.from_rack(env)
    asked = env["HTTP_UPGRADE"].to_s.casecmp?("websocket") && shake.valid?
    next [426, { "Content-Type" => "text/plain" }, ["a websocket, please\n"]] unless asked

    take_over(env) do |io|
      io.write(shake.to_s)
      heard = WebSocket::Frame::Incoming::Server.new(version: shake.version)
      loop do
        heard << io.readpartial(16_384)
        while (frame = heard.next)
          answer = ANSWERS[frame.type] or next
          said = { version: shake.version, type: answer, data: frame.to_s }
          io.write(WebSocket::Frame::Outgoing::Server.new(**said).to_s)
          raise IOError, "the browser closed" if answer == :close
        end
      end
    end
  end
end
