# Works off the queue; QUIT and TERM let it finish the job that it has begun.
require_relative "../config/environment"

abort "guestbook: the worker can't start" if Trouble.has?("worker-crashes")
stopping = false
%w[QUIT TERM INT].each { |signal| trap(signal) { stopping = !Trouble.has?("ignores-stop") } }
puts "worker #{Process.pid} takes jobs from #{Jobs::QUEUE}"
Jobs.work { stopping }
puts "worker #{Process.pid} stopped"
