# `preload_app` makes a crash at boot end the whole process, so that it is seen at once.
listen "0.0.0.0:#{ENV.fetch("PORT")}", backlog: 256
worker_processes Integer(ENV.fetch("WEB_CONCURRENCY", "2"))
preload_app true
timeout 30

before_fork do |_server, _worker|
  ActiveRecord::Base.connection_handler.clear_all_connections!
  Jobs.redis.close
end

after_fork do |_server, _worker|
  Trouble.in_worker
end
