# Runs only with the trouble `migration-fails`: a real mistake, refused by the real database.
class RenameWhatIsNotThere < ActiveRecord::Migration[6.1]
  def change
    rename_column :entries, :nickname, :name
  end
end
