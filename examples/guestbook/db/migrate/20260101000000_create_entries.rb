class CreateEntries < ActiveRecord::Migration[6.1]
  def change
    create_table :entries do |t|
      t.string :name, null: false, limit: 60
      t.string :message, null: false, limit: 280
      t.timestamps
    end
  end
end
