package checkpoint

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// witnessTitle is the first line of a witness; the number is its format.
const witnessTitle = "auditlog-connector checkpoint witness "

func witnessPath(path string) string { return path + ".generation" }

// witness holds each lane's generation, as of the last synced transaction.
type witness map[string]uint64

func (w witness) encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%d\n", witnessTitle, formatVersion)
	for _, lane := range slices.Sorted(maps.Keys(w)) {
		fmt.Fprintf(&b, "%d %s\n", w[lane], strconv.Quote(lane))
	}
	fmt.Fprintf(&b, "%08x\n", crc32.Checksum([]byte(b.String()), castagnoli))
	return []byte(b.String())
}

func decodeWitness(data []byte) (witness, error) {
	text := string(data)
	body := strings.TrimSuffix(text, "\n")
	body = body[:strings.LastIndexByte(body, '\n')+1]
	if text != body+fmt.Sprintf("%08x\n", crc32.Checksum([]byte(body), castagnoli)) {
		return nil, errChecksum
	}
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	version, ok := strings.CutPrefix(lines[0], witnessTitle)
	if n, err := strconv.ParseUint(version, 10, 8); !ok || err != nil || n < formatVersion {
		return nil, errEncoding
	} else if n > formatVersion {
		return nil, newerError(n)
	}
	w := make(witness)
	for _, line := range lines[1:] {
		number, quoted, _ := strings.Cut(line, " ")
		generation, err := strconv.ParseUint(number, 10, 64)
		lane, err2 := strconv.Unquote(quoted)
		if err != nil || err2 != nil {
			return nil, errEncoding
		}
		w[lane] = generation
	}
	return w, nil
}

// readWitness reads the witness of the database at path. None is an empty one.
func readWitness(path string) (witness, error) {
	name := witnessPath(path)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return witness{}, nil
	}
	if err != nil {
		return nil, err
	}
	w, err := decodeWitness(data)
	var newer newerError
	switch {
	case errors.As(err, &newer):
		return nil, fmt.Errorf("witness %s: %w", name, err)
	case err != nil:
		return nil, corrupt("witness %s: %w", name, err)
	}
	return w, nil
}

// agree reports whether a lane's header may be at generation, given what the
// witness says; known tells whether the database has the lane at all.
func (w witness) agree(lane string, known bool, generation uint64) error {
	seen := w[lane]
	switch {
	case !known && seen > 0:
		return corrupt("lane %s is missing, it was at generation %d", lane, seen)
	case known && generation < seen:
		return corrupt("lane %s went back in time: it is at generation %d and was at %d", lane, generation, seen)
	case known && generation > seen+1:
		return corrupt("lane %s is at generation %d, its witness at %d: the two files are not of one time", lane, generation, seen)
	}
	return nil
}
