# The health check: the process answers and reaches its database.
Health = lambda do |_env|
  raise "the health check is told to fail" if Trouble.has?("health-500")

  ActiveRecord::Base.connection_pool.with_connection { |database| database.select_value("SELECT 1") }
  [200, { "Content-Type" => "text/plain" }, ["ok\n"]]
rescue StandardError => error
  [500, { "Content-Type" => "text/plain" }, ["#{error.class}: #{error.message}\n"]]
end
