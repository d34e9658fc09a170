class AddStampToEntries < ActiveRecord::Migration[6.1]
  def change
    add_column :entries, :stamp, :string, limit: 8
    add_column :entries, :stamped_at, :datetime
  end
end
