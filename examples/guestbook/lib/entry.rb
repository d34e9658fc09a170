# One line in the guest book; the worker stamps it.
class Entry < ActiveRecord::Base
  STAMPS = %w[★ ☀ ☂ ♫ ♥ ♣ ✈ ✿ ☕ ⚓].freeze

  validates :name, presence: true, length: { maximum: 60 }
  validates :message, presence: true, length: { maximum: 280 }

  # The job `StampEntry`: takes a moment, so that one sees it happen.
  def self.stamp(id)
    sleep Float(ENV.fetch("JOB_SECONDS", "1"))
    entry = find(id)
    raise "the stamp slipped" if entry.message.include?("slip")

    entry.update!(stamp: STAMPS[id % STAMPS.size], stamped_at: Time.now)
  end
end
