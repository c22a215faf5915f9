#!/bin/sh
# The examples: installed tree, pkg-config, the demo, a thousand connections.
exec c-tests/check-examples.sh
