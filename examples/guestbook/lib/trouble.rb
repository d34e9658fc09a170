# Mistakes on demand, to see how reviewapps tells them: words in `trouble.txt` or $TROUBLE.
#
#   slow-boot=SECONDS  crash-at-boot  crash-in-worker  never-listens  eats-memory
#   health-500  migration-fails  seed-fails  worker-crashes  ignores-stop
module Trouble
  FILE = "#{ROOT}/trouble.txt"
  WORDS = "#{File.exist?(FILE) ? File.read(FILE) : ""} #{ENV["TROUBLE"]}".split

  module_function

  def has?(word) = WORDS.include?(word)

  def seconds(word) = WORDS.filter_map { |each| each[/\A#{word}=(\d+)\z/, 1] }.first.to_i

  def at_boot
    sleep seconds("slow-boot")
    abort "guestbook: can't start: the setting MAIL_SERVER is missing" if has?("crash-at-boot")
    sleep if has?("never-listens")
    hoard = []
    hoard << "x" * 10_000_000 while has?("eats-memory")
    %w[QUIT TERM INT].each { |signal| trap(signal, "IGNORE") } if has?("ignores-stop")
  end

  def in_worker
    return unless has?("crash-in-worker")

    sleep 0.5 # unicorn starts the next one at once, for ever
    abort "guestbook: this worker lost its mind"
  end
end
