#!/bin/sh
# The manual pages and the C code in the Markdown files.
exec c-tests/check-docs.sh
