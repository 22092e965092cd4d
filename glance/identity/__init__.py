"""What others have said of callers: tokens and passwords in files of the operator, limits of projects in keystone."""
