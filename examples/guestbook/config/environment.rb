# The database and Redis of this copy of the application, from the environment.
require "json"
require "logger"
require "active_record"
require "redis"

Redis.sadd_returns_boolean = false # the answer is of no interest, and Redis 4.8 warns

ROOT = File.expand_path("..", __dir__)
LOOK = JSON.parse(File.read("#{ROOT}/look.json"))

$stdout.sync = $stderr.sync = true
ActiveRecord::Base.establish_connection(ENV.fetch("DATABASE_URL")) # postgresql://… or mysql2://…

Dir["#{ROOT}/lib/{trouble,jobs,entry,health}.rb"].sort.each { |file| require file }
