# Copies the assets under names that contain their digest, so that browsers may keep them for ever.
require "digest"
require "fileutils"
require "json"

root = File.expand_path("..", __dir__)
FileUtils.mkdir_p("#{root}/public/assets")
manifest = Dir.children("#{root}/assets").sort.to_h do |name|
  file = "#{root}/assets/#{name}"
  digested = name.sub(".", "-#{Digest::SHA256.file(file).hexdigest[0, 16]}.")
  FileUtils.cp(file, "#{root}/public/assets/#{digested}")
  [name, digested]
end
File.write("#{root}/public/assets/manifest.json", JSON.pretty_generate(manifest))
