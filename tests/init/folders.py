"""Real-shaped project folders, small: what each has at its top and what init reads of it."""

from pathlib import Path

Files = dict[str, str | bytes]

RAILS_POSTGRESQL_RESQUE: Files = {
    ".git/config": '[core]\n\tbare = false\n[remote "origin"]\n'
    "\turl = git@github.com:acme/Big_Shop.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
    "Gemfile": 'source "https://rubygems.org"\ngem "rails", "~> 7.1"\ngem "pg"\n'
    'gem "unicorn"\ngem "resque"\n# gem "mysql2"\n',
    "Gemfile.lock": "GEM\n  remote: https://rubygems.org/\n  specs:\n    pg (1.5.6)\n"
    "    rails (7.1.3)\n      actioncable (= 7.1.3)\n    resque (2.6.0)\n    unicorn (6.1.0)\n"
    "\nPLATFORMS\n  x86_64-linux\n\nRUBY VERSION\n   ruby 3.3.0p0\n",
    "Procfile": "web: bundle exec unicorn -p $PORT -c config/unicorn.rb\n"
    "worker: QUEUE=* bundle exec rake resque:work\n",
    "bin/rails": "#!/usr/bin/env ruby\n",
    "config/application.rb": "module Shop\nend\n",
    "config/database.yml": "default: &default\n  adapter: postgresql\n  pool: <%= 5 %>\n\n"
    "test:\n  <<: *default\n\nproduction:\n  <<: *default\n  url: <%= ENV['DATABASE_URL'] %>\n",
    "config/routes.rb": "Rails.application.routes.draw do\n"
    '  get "up" => "rails/health#show", as: :rails_health_check\nend\n',
    "db/schema.rb": "ActiveRecord::Schema[7.1].define(version: 1) do\n"
    '  enable_extension "plpgsql"\n  enable_extension "pg_trgm"\nend\n',
    "db/seeds.rb": "# Seeds\nUser.create!(name: 'A')\n",
    "Dockerfile": "FROM ruby:3.3 AS build\nEXPOSE 9999\nFROM ruby:3.3\nWORKDIR /app\nCOPY . .\n"
    "ENV RAILS_ENV=production \\\n    RAILS_LOG_TO_STDOUT=1\n",
}

RAILS_MYSQL_SIDEKIQ: Files = {
    "Gemfile": 'gem "rails"\ngem "mysql2"\ngem "puma"\ngem "sidekiq"\n',
    "Gemfile.lock": "GEM\n  specs:\n    mysql2 (0.5.6)\n    puma (6.4.2)\n    rails (7.0.8)\n"
    "    sidekiq (7.2.4)\n",
    "bin/rails": "",
    "config/application.rb": "",
    "config/puma.rb": 'port ENV.fetch("PORT", 3000)\n',
    "config/database.yml": "development:\n  adapter: sqlite3\nproduction:\n  adapter: mysql2\n",
    "db/seeds.rb": "# This file should contain all the record creation\n",
    "Dockerfile": "FROM ruby:3.3\nEXPOSE 80/tcp 443\nSTOPSIGNAL SIGINT\n"
    'ENTRYPOINT ["/rails/bin/docker-entrypoint"]\nCMD ["./bin/thrust", "./bin/rails", "server"]\n',
}

DJANGO: Files = {
    "manage.py": "#!/usr/bin/env python\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "requirements.txt": "Django==5.0.4\npsycopg[binary]>=3.1  # the database\ncelery~=5.4\n"
    "gunicorn\n-r more.txt\n",
    "shop/settings.py": "DATABASES = {'default': {\n"
    "    # 'ENGINE': 'django.db.backends.mysql',\n"
    "    'ENGINE': 'django.db.backends.postgresql',\n}}\n",
    "shop/wsgi.py": "application = get_wsgi_application()\n",
    "shop/cart/migrations/0001_initial.py": "",
    "shop/users/migrations/0001_initial.py": "",
    "shop/users/migrations/0002_more.py": "",
    "shop/celery.py": "app = Celery('shop')\n",
    "shop/urls.py": "urlpatterns = [path('healthz/', ok), path('admin/', admin.site.urls)]\n",
    "Dockerfile": "FROM python:3.12\nCOPY . .\n",
}

NODE_PRISMA: Files = {
    "package.json": '{"name": "@acme/web", "scripts": {"start": "node server.js",'
    ' "worker": "node worker.js"}, "dependencies": {"express": "4", "bullmq": "5",'
    ' "@prisma/client": "5"}, "prisma": {"seed": "node seed.js"}}',
    "prisma/schema.prisma": 'datasource db {\n  provider = "mysql"\n  url = env("X")\n}\n',
    "Dockerfile": "FROM node:20\nARG PORT=3100\nENV PORT $PORT\nEXPOSE ${PORT:-3000}\n"
    "HEALTHCHECK --interval=5s \\\n  # often\n  CMD curl -f http://localhost:3100/ready || exit 1\n"
    "CMD npm start\n",
}

PLAIN_DOCKERFILE: Files = {
    "Dockerfile": 'FROM debian:bookworm-slim\nEXPOSE 5000\nCMD ["/srv/app", "--listen", ":5000"]\n'
}

NO_DOCKERFILE: Files = {"Procfile": "web: ./server --port $PORT && true\nrelease: ./migrate\n"}

MALFORMED: Files = {
    "Gemfile": b"gem 'rails'\xff\xfe\n",
    "Gemfile.lock": "<<<<<<< HEAD\n    rails (7.1.3)\n=======\n>>>>>>> x\n",
    "package.json": '{"scripts": {"start": ',
    "pyproject.toml": "[project\n",
    "Pipfile": "packages = 3\n",
    "Procfile": "web\n: x\nweb:\n\x00\n",
    "Dockerfile": 'FROM\nEXPOSE $NOTHING\nEXPOSE banana\nCMD ["unclosed\nHEALTHCHECK\nENV\n\\\n',
    "config/database.yml": "production:\n\tadapter: [\n  adapter: oracle\n",
    "db/schema.rb": 'enable_extension "x\'; DROP"\n',
    ".git/config": '[remote "origin"\nurl\n',
    "requirements.txt": "--hash=x\n @ \n\n",
}

HOSTILE: Files = {
    ".git/config": '[remote "origin"]\n\turl = https://user:hunter2@host/"}%20task ${x}\\n.git\n',
    "Procfile": "web: sh -c 'echo \"${NOMAD_TOKEN}\" [[ x ]] # {{ y }}'\n"
    'worker: "}\\u0000 task "x" {: \x1b[31m\n',
    "config/routes.rb": 'get "/up#{x}" # \n get "/status\n',
    "Dockerfile": 'FROM x\nEXPOSE 70000\nSTOPSIGNAL SIGKILL\nENV RAILS_ENV="a\nb"\n',
    "db/schema.rb": 'enable_extension "a-b_c"\n',
    "config/database.yml": "x:\n  adapter: postgis\n",
}

MONOREPO: Files = {
    ".git/config": '[remote "origin"]\n\turl = https://github.com/acme/everything\n',
    "README.md": "# everything\n",
    "apps/shop/Gemfile": 'gem "sinatra"\ngem "pg"\n',
    "apps/shop/Rakefile": "",
    "apps/shop/db/migrate/1_a.rb": "",
    "apps/shop/db/seeds.rb": "",
    "apps/shop/Dockerfile": "FROM ruby\nEXPOSE 4567\nCMD ruby app.rb\n",
    "apps/admin/package.json": "{}",
    "apps/admin/node_modules/x/package.json": "{}",
    "vendor/gem/Gemfile": "",
}

ALL = {
    name: files for name, files in globals().items() if name.isupper() and isinstance(files, dict)
}


def lay_out(folder: Path, files: Files) -> Path:
    """Write the files below `folder` and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
