"""An application as doit tasks: what there is to do, when it is done, and what a run tells."""
