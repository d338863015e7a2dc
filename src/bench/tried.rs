//! # Reaching the limit
//!
//! What was tried to bring files and texts nearer to what the raw probes of this benchmark do, and what it gave; what gave
//! nothing, too, so that nobody tries it a second time in vain. Owns: that table. It has no code.
//!
//! Each figure stands beside the code that it decided about, and was measured there: on virtual machines with two
//! processors, both sides on them, in turn with what it is compared with. None of them can be compared with one of another
//! row. `tete bench` and `cargo bench --bench transfer` measure them again.
//!
//! | tried | what it gave | kept |
//! | --- | --- | --- |
//! | files over a connection of their own, so that both they and texts go as they should ([`conversation`](crate::net::conversation)) | on the talk link chunks are of 16 KiB ([`TALK_CHUNK`](crate::proto::transfers::TALK_CHUNK)), on their own of 1 MiB | yes |
//! | `sendfile` instead of reading and writing, where a file system has it ([`pump`](crate::net::pump)) | the bytes no longer pass through the program; what it gives here, `tete bench --full` tells (copied, not copied) | yes |
//! | reno instead of a congestion control that paces (bbr), between two processes of one machine ([`sys`](crate::sys)) | 6.4 to 8 GB/s instead of 2.5 | yes |
//! | asking for it before the connection is made, instead of afterwards | 7.3 to 7.8 GiB/s instead of 5.9 to 7.0 | yes |
//! | pieces of 1 MiB instead of 32 KiB, received with one call and written with one | with 32 KiB 1.2 GB/s instead of 1.8, and a third more processor time; with more than 1 MiB no faster | yes |
//! | splicing what arrives through a pipe into its file, instead of receiving and writing it ([`pump`](crate::net::pump)) | splice / write, tmpfs: unhashed 0.85 to 1.34 (fourteen runs), hashed 0.84 to 1.21 (thirteen) with 1.07 in the middle, 1.85 once; ext4: 1.13 to 1.78 unhashed, 0.73 to 1.49 hashed. On memory that the host had given already: unhashed 1.22 to 1.33, hashed 1.02 to 1.12 (four runs each); tete itself, unhashed, 0.88, 0.89, 0.90 and 0.99 of the fastest probe instead of 0.70 and 0.69 | yes, where nobody here has to see the bytes: in plain, hashed by helpers or not at all |
//! | the same where the loop hashes in passing, by reading back what was spliced | as many copies as receiving and writing | no |
//! | memory that the host has given already, before anything is compared: on a virtual machine that gives free memory back, fresh pages cost 0.3 to 1.4 s a GB, whoever writes to them | the spread of one probe falls from 0.7 to 2.2 GB/s to 1.5 to 1.9 | a setting of the machine, not of the benchmark |
//! | reading and hashing 4 MiB ahead of the sending instead of 16 ([`READ_AHEAD`](crate::proto::outgoing::READ_AHEAD)) | with 16 a tenth slower: it is no longer in the processor's cache when it is sent | yes |
//! | encrypting 128 KiB at once ([`SECURE_PIECE`](crate::net::channel::SECURE_PIECE)), which many records share | with twice as much, and pieces eight times as large, a tenth slower, and an eighth more processor time | yes |
//! | hashing and writing what arrives encrypted in rows of 128 KiB, and not record by record (16 KiB), though that costs a copy ([`channel`](crate::net::channel)) | 0.75 GB/s instead of 0.73, the receiver 1.21 s of processor time for a GB instead of 1.30 (eleven in turn); unhashed 1.06 instead of 1.01, 0.91 s instead of 0.96 | yes |
//! | sending a file that passes through the program from the buffers in which a helper has hashed it, instead of reading it twice ([`read_ahead`](crate::net::read_ahead)) | encrypted 0.81 GB/s instead of 0.72, the sender 1.06 s of processor time for a GB instead of 1.15 (nine rounds each, one run after the other); in turn 0.83 s instead of 0.98 (twenty) and 0.94 instead of 1.16 (thirteen), no faster beside the noise, and 2.4 MiB more memory at its peak; copied in plain 0.80 to 0.91 s instead of 0.99 | yes |
//! | encrypting from those buffers, without gathering the bytes behind their header first | 0.68 GB/s and 0.69 without, 1.04 s and 1.05 s (eleven in turn); 0.04 and 0.05 s less in the middle of 22 and 23 pairs, a quarter of which showed nothing or more | no |
//! | the same with the header and the bytes in the same records (one vectored write) | 1.38 s of processor time for a GB at the receiver instead of 1.14 (thirteen in turn), perhaps because a record then begins and ends within pages of the file | no |
//! | copying in plain from those buffers, instead of `sendfile`, where files are hashed | 0.94 GB/s and 0.96 with `sendfile` (eleven in turn), and 0.2 s of processor time more at the sender | no |
//! | the encrypted probe: one write for what one `recv` brought, instead of one for each record of 16 KiB ([`tls`](super::tls)) | some hundredths faster, though it costs a copy | yes |
//! | hashing what arrives in passing, on fewer than three processors ([`passing`](crate::net::passing)), instead of reading it back | as fast (plain 1.42 GB/s instead of 1.43, encrypted 1.03 instead of 1.08), 0.14 s of processor time for a GB less at the receiver; of 100 keys, 99 are seen in 5.9 ms instead of 10.6 while a file arrives, and in 5.3 instead of 13.7 while one is sent | yes; with three and more helpers hash, because the loop then has a fifth less to do |
//! | helpers that hash gently, and fewer of them, while somebody talks ([`pool`](crate::net::pool)) | two loops and four threads that hash, on two cores, let a text wait three times as long as without | yes |
//! | smaller budgets of a turn while somebody talks (256 KiB out, 16 KiB in) | writing that much to fresh memory takes 10 µs, where 1 MiB takes 500; out: half as much is no better for texts, twice as much is worse | yes |
//! | 256 KiB a turn each way while keys are pressed | encrypted files as fast, half the median wait of a key; with smaller ones still, the longest waits become longer, because the loop never pauses | yes |
//! | compiling for speed (`opt-level` 3, or "s") what neither hashes nor encrypts | no faster: the hot loops are system calls and copies. With "z" for most of it the program became 5.92 MB instead of 6.30, as fast | no |
//! | a helper that writes what arrives, so that the loop receives, decrypts and hashes alone (both sides on two processors, medians of seven to nine in turn) | plain 2 to 10% faster, encrypted 9 to 17%; 0.1 s of processor time more for a GB at the receiver; but all cores are taken then: of 100 keys, 99 are seen within 4.6 to 20 ms while a file is sent, and not 3.3 to 5.0 | no |
//! | room in memory made ahead by a helper (fallocate on tmpfs) | 0.27 s for a GB there and 0.09 for writing instead of 0.33 for writing alone, but both hold the file's lock; not built | no |
//! | hashing one block of three, four or six that arrive by a helper, and the others in passing (two processors, eleven rounds in turn) | 1.60, 1.43 and 1.55 GB/s, and 1.56 without: nothing beside the noise | no |
//! | a frame that the terminal takes without blocking written by the loop, and not by a thread that has to be woken ([`output`](crate::net::output)) | of 100 keys, 99 are seen within 3.5 and 4.5 ms while a file is sent, instead of 4.0, 4.8 and 6.0 | yes |
//! | sleeping to the microsecond in this benchmark ([`wake_precisely`](crate::sys::wake_precisely)) | without, a text is planned up to 50 µs late | yes, in the benchmark alone |
