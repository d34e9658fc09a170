# What a team may not ask for. AWS is mocked: nothing is made.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  domain                   = "previews.test"
  circleci_organization_id = "11111111-1111-1111-1111-111111111111"
  projects = {
    shop = {
      repository          = "acme/shop"
      circleci_project_id = "22222222-2222-2222-2222-222222222222"
    }
    blog = {
      repository          = "acme/blog"
      circleci_project_id = "33333333-3333-3333-3333-333333333333"
      default_branch      = "trunk"
    }
  }
}

run "a_repository_with_a_star_is_refused" {
  command = plan
  variables {
    projects = { shop = { repository = "acme/*", circleci_project_id = "22222222-2222-2222-2222-222222222222" } }
  }
  expect_failures = [var.projects]
}

run "a_default_branch_with_a_star_is_refused" {
  command = plan
  variables {
    projects = {
      shop = { repository = "acme/shop", circleci_project_id = "22222222-2222-2222-2222-222222222222", default_branch = "*" }
    }
  }
  expect_failures = [var.projects]
}

run "two_servers_are_refused" {
  command = plan
  variables {
    server_count = 2
  }
  expect_failures = [var.server_count]
}
