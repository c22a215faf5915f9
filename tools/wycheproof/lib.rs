//! Nothing is built of this: `directory.sh` has cargo fetch the crate, and says where its files are.
