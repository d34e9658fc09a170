# A queue in Redis, in Resque's own format: Resque's workers and web page could work with it.
require "socket"
require "time"

module Jobs
  QUEUE = "stamps"
  WORK = { "StampEntry" => Entry.method(:stamp) }.freeze
  ALIVE_SECONDS = 15

  module_function

  def redis
    @redis ||= Redis.new(url: ENV.fetch("REDIS_URL"), timeout: 5, reconnect_attempts: 2)
  end

  def push(name, *args)
    redis.sadd("resque:queues", QUEUE)
    redis.rpush("resque:queue:#{QUEUE}", JSON.dump("class" => name, "args" => args))
  end

  def figures
    beats = redis.hvals("resque:workers:heartbeat").map { |at| Time.iso8601(at) }
    { done: redis.get("resque:stat:processed").to_i, failed: redis.get("resque:stat:failed").to_i,
      waiting: redis.llen("resque:queue:#{QUEUE}"),
      workers: beats.count { |at| at > Time.now - ALIVE_SECONDS } }
  end

  # Takes jobs until the block says to stop; a job that was begun is always finished.
  def work(worker = "#{Socket.gethostname}:#{Process.pid}:#{QUEUE}")
    redis.sadd("resque:workers", worker)
    until yield
      redis.hset("resque:workers:heartbeat", worker, Time.now.iso8601)
      _, payload = redis.blpop("resque:queue:#{QUEUE}", timeout: 1)
      perform(worker, JSON.parse(payload)) if payload
    end
  ensure
    redis.srem("resque:workers", worker)
    redis.hdel("resque:workers:heartbeat", worker)
  end

  def perform(worker, job)
    now = Time.now.utc.iso8601
    redis.set("resque:worker:#{worker}", JSON.dump(queue: QUEUE, run_at: now, payload: job))
    WORK.fetch(job["class"]).call(*job["args"])
    puts "done: #{job["class"]} #{job["args"].join(" ")}"
  rescue StandardError => error
    warn "failed: #{job["class"]} #{job["args"].join(" ")}: #{error.message}"
    redis.rpush("resque:failed", JSON.dump(
      failed_at: now, payload: job, exception: error.class.name, error: error.message,
      backtrace: error.backtrace, worker: worker, queue: QUEUE
    ))
    redis.incr("resque:stat:failed")
  ensure
    redis.incr("resque:stat:processed")
    redis.del("resque:worker:#{worker}")
  end
end
