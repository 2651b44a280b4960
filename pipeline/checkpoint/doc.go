// Package checkpoint keeps the lanes' checkpoints: in a file ([Open]) or in memory
// ([NewMemory]). It also keeps what is set aside instead of delivered
// ([NewQuarantine]).
//
// # The file
//
// A bbolt database has one bucket per lane. Its key "header" holds the lane's
// epoch, the next sequence number, the progress per stream, what is prepared and
// the generation, a count of the lane's steps. Every other key is a sequence
// number; its value, a block, holds the members of that batch. A block is written
// once, when its batch is prepared; a later step touches the header only. A block
// is deleted when its newest member lies below the lane's lowest floor.
//
// Every value ends with a CRC-32C of itself, its lane, its epoch and its key, and
// begins with the version of its format. The header states which blocks there
// are, so that a missing one is noticed.
//
// # The witness
//
// bbolt falls back to the previous transaction when its newest meta page is
// damaged, and a file can be replaced by an older copy. Beside the database lies
// a witness, <path>.generation, that holds every lane's generation. It is synced
// after each transaction, before anybody is told of it, so it may be one behind
// the header after a crash and is never ahead. Any other difference is an error:
// the checkpoint went back in time, or one of the two files was copied without
// the other. A backup copies both, while no connector runs. A witness that is
// missing counts as one that knows no lane.
//
// # Damage
//
// Before bbolt sees the file, its structure is checked from the newest meta page
// down. Whatever is wrong then or later, panics and page faults included, is an
// error that names the file and wraps [pipeline.ErrCorrupt]. The way out is to
// restore both files from one backup, or [File.Reset].
package checkpoint
