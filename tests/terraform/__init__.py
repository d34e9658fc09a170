"""Tests of the Terraform files: mocked, against moto, and the machines' scripts really run."""
