# Brings the database to the newest schema.
require_relative "../config/environment"

folders = ["#{ROOT}/db/migrate"]
folders << "#{ROOT}/db/trouble" if Trouble.has?("migration-fails")
ActiveRecord::MigrationContext.new(folders, ActiveRecord::SchemaMigration).migrate
puts "schema version #{ActiveRecord::Migrator.current_version}"
