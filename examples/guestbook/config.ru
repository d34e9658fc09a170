# What unicorn serves: two streams, the health check, and the pages.
require_relative "config/environment"
require_relative "lib/streams"
require_relative "lib/pages"

Trouble.at_boot

map("/events") { run Streams::Events }
map("/echo") { run Streams::Echo }
map("/up") { run Health }
map("/") { run Pages }
