# CI and the controller: jobs and their secrets, and draining the nodes that are given back.
namespace "default" {
  capabilities = [
    "alloc-exec",
    "alloc-lifecycle",
    "dispatch-job",
    "list-jobs",
    "parse-job",
    "read-fs",
    "read-job",
    "read-job-scaling",
    "read-logs",
    "scale-job",
    "submit-job",
  ]

  variables {
    path "nomad/jobs/*" {
      capabilities = ["list", "read", "write", "destroy"]
    }

    # Secrets of an app that several of its jobs share, and no job can read by itself.
    path "reviewapps/*" {
      capabilities = ["list", "read", "write", "destroy"]
    }
  }
}

node {
  policy = "write"
}

agent {
  policy = "read"
}
