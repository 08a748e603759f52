"""What the tasks do: a module a kind of task, each step telling what came of it."""
