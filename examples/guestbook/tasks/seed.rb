# Fills an empty database with something to look at.
require_relative "../config/environment"

abort "guestbook: no seeds today" if Trouble.has?("seed-fails")
load "#{ROOT}/db/seeds.rb"
puts "#{Entry.count} entries"
