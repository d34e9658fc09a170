# The pages: the guest book itself and what a newcomer wants to know of this copy.
require "sinatra/base"
require "erubi"

class Pages < Sinatra::Base
  MANIFEST = JSON.parse(File.read("#{ROOT}/public/assets/manifest.json"))

  set :root, ROOT
  set :erb, escape_html: true
  set :static_cache_control, [:public, :immutable, { max_age: 31_536_000 }]
  enable :logging

  def self.figures
    { entries: Entry.count, stamped: Entry.where.not(stamped_at: nil).count, **Jobs.figures }
  end

  helpers do
    def asset(name) = "#{ENV["ASSET_HOST"]}/assets/#{MANIFEST.fetch(name)}"

    def about(name) = ENV.fetch("REVIEWAPPS_#{name}", "–")

    def entries = Entry.order(id: :desc).limit(50)
  end

  after { ActiveRecord::Base.clear_active_connections! }

  get("/") { erb :index, locals: { figures: Pages.figures } }
  get("/entries") { erb :entries, layout: false }
  get("/figures.json") { content_type(:json) && JSON.dump(Pages.figures) }

  post "/entries" do
    entry = Entry.new(name: params["name"].to_s.strip, message: params["message"].to_s.strip)
    halt 422, "A name of up to 60 and a message of up to 280 characters, please.\n" unless entry.save
    Jobs.push("StampEntry", entry.id)
    redirect "/", 303
  end
end
