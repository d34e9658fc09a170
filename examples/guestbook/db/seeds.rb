# The first entries of an empty guest book; running this again changes nothing.
[
  ["Ada", "The engine is running, and it has a database of its own."],
  ["Grace", "Push a branch, get a copy. No more taking turns on staging."],
  ["Linus", "I deleted my branch and everything of it was gone."]
].each do |name, message|
  next if Entry.exists?(name: name, message: message)

  Jobs.push("StampEntry", Entry.create!(name: name, message: message).id)
  puts "seeded #{name}"
end
