//! The promises of one node, shown from outside: real processes, real folders, real disasters.
//!
//! Nothing here knows the program's insides; it knows the HTTP contract (`docs/api.md`), the folder
//! (`FORMAT.md` of the store) and what an operator can do to a process, a file and a disk.
//! `node`, `client`, `events`, `forms`, `picture`, `mirror`, `herd`, `journal_file`, `mount` and `seed` are the
//! tools; each other file is a promise. The promises of many nodes are in `cluster`, and what has cost others
//! data in `hazards`.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod client;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod events;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod hazards;
#[cfg(test)]
mod health;
#[cfg(test)]
mod herd;
#[cfg(test)]
mod iso_codes;
#[cfg(test)]
mod journal_file;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod mount;
#[cfg(test)]
mod node;
#[cfg(test)]
mod picture;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod process;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod scans;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod streams;
