package checkpoint

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"io"
)

// bbolt's file format. Numbers are in the machine's byte order.
//
//	page:   id u64 · flags u16 · count u16 · overflow u32 · content
//	meta:   magic u32 · version u32 · page size u32 · flags u32 · root bucket · freelist u64 · pages u64 · tx u64 · checksum u64
//	bucket: root page u64 · sequence u64 (root 0: a leaf page follows in place)
//	branch: count × (pos u32 · key size u32 · page u64)
//	leaf:   count × (flags u32 · pos u32 · key size u32 · value size u32), pos from the element's own start
const (
	pageHeader  = 16
	elementSize = 16
	bucketSize  = 16
	metaSize    = 64

	metaMagic   = 0xED0CDAED
	metaVersion = 2

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of a leaf's element

	noFreelist = ^uint64(0)
	maxDepth   = 64
)

var native = binary.NativeEndian

type meta struct {
	pageSize             uint32
	root, freelist, size uint64
	tx                   uint64
}

func readMeta(page []byte) (meta, bool) {
	if len(page) < pageHeader+metaSize {
		return meta{}, false
	}
	b := page[pageHeader:]
	h := fnv.New64a()
	h.Write(b[:56])
	m := meta{native.Uint32(b[8:]), native.Uint64(b[16:]), native.Uint64(b[32:]), native.Uint64(b[40:]), native.Uint64(b[48:])}
	ok := native.Uint32(b) == metaMagic && native.Uint32(b[4:]) == metaVersion && native.Uint64(b[56:]) == h.Sum64() &&
		m.pageSize >= 512 && m.pageSize <= 1<<24
	return m, ok
}

// newestMeta returns the meta page that bbolt will go by, or false if none is valid.
func newestMeta(r io.ReaderAt) (meta, bool) {
	buf := make([]byte, pageHeader+metaSize)
	at := func(offset int64) (meta, bool) {
		if _, err := r.ReadAt(buf, offset); err != nil {
			return meta{}, false
		}
		return readMeta(buf)
	}
	m0, ok0 := at(0)
	if ok0 {
		if m1, ok := at(int64(m0.pageSize)); ok && m1.tx > m0.tx {
			return m1, true
		}
		return m0, true
	}
	// Without the first page, nobody says how long it is.
	for offset := int64(1024); offset <= 1<<24; offset *= 2 {
		if m1, ok := at(offset); ok && int64(m1.pageSize) == offset {
			return m1, true
		}
	}
	return meta{}, false
}

// verifier walks the pages that the newest transaction can reach.
type verifier struct {
	r    io.ReaderAt
	meta meta
	used []bool // by page
}

// verify checks the structure of a bbolt file of size bytes: that each page that
// can be reached is what it says, lies inside the file, and is neither reached
// twice nor free; and that keys are in order. bbolt checks none of that and
// would follow a damaged page wherever it leads. Values are not looked at.
func verify(r io.ReaderAt, size int64) error {
	m, ok := newestMeta(r)
	if !ok {
		return corrupt("both meta pages are damaged")
	}
	if m.size < 2 || m.size > uint64(size)/uint64(m.pageSize) {
		return corrupt("the file has %d bytes, %d pages of %d are expected: it was cut off", size, m.size, m.pageSize)
	}
	v := &verifier{r, m, make([]bool, m.size)}
	v.used[0], v.used[1] = true, true
	if m.freelist != noFreelist {
		if err := v.freelist(m.freelist); err != nil {
			return err
		}
	}
	return v.tree(m.root, 0, nil, nil)
}

// page reads page id with its overflow pages and marks them as used.
func (v *verifier) page(id uint64) ([]byte, error) {
	if id < 2 || id >= v.meta.size {
		return nil, corrupt("page %d is referred to, the file has %d", id, v.meta.size)
	}
	size := int64(v.meta.pageSize)
	head := make([]byte, pageHeader)
	if _, err := v.r.ReadAt(head, int64(id)*size); err != nil {
		return nil, err
	}
	n := uint64(native.Uint32(head[12:])) + 1
	if native.Uint64(head) != id || n > v.meta.size-id {
		return nil, corrupt("page %d: it says that it is page %d with %d more", id, native.Uint64(head), n-1)
	}
	for i := id; i < id+n; i++ {
		if v.used[i] {
			return nil, corrupt("page %d is used twice", i)
		}
		v.used[i] = true
	}
	b := make([]byte, int64(n)*size)
	_, err := v.r.ReadAt(b, int64(id)*size)
	return b, err
}

// freelist marks the free pages as used, so that no live page may be one.
func (v *verifier) freelist(id uint64) error {
	b, err := v.page(id)
	if err != nil {
		return err
	}
	if native.Uint16(b[8:]) != flagFreelist {
		return corrupt("page %d is not a free list", id)
	}
	count, ids := uint64(native.Uint16(b[10:])), b[pageHeader:]
	if count == 0xFFFF {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return corrupt("page %d: a free list of %d pages does not fit", id, count)
	}
	for i := range count {
		free := native.Uint64(ids[8*i:])
		if free < 2 || free >= v.meta.size || v.used[free] {
			return corrupt("page %d: it lists page %d as free, which it is not", id, free)
		}
		v.used[free] = true
	}
	return nil
}

// tree checks the pages from id down, whose keys must be at least low and below
// high (nil: no bound).
func (v *verifier) tree(id uint64, depth int, low, high []byte) error {
	if depth > maxDepth {
		return corrupt("page %d lies %d levels deep", id, depth)
	}
	b, err := v.page(id)
	if err != nil {
		return err
	}
	switch native.Uint16(b[8:]) {
	case flagLeaf:
		return v.leaf(b, id, depth, low, high)
	case flagBranch:
		return v.branch(b, id, depth, low, high)
	}
	return corrupt("page %d has flags %#x", id, native.Uint16(b[8:]))
}

func (v *verifier) branch(b []byte, id uint64, depth int, low, high []byte) error {
	count := int(native.Uint16(b[10:]))
	if count == 0 {
		return corrupt("page %d: a branch without children", id)
	}
	key := func(i int) ([]byte, bool) {
		e := b[min(pageHeader+elementSize*i, len(b)):]
		if len(e) < elementSize {
			return nil, false
		}
		return cut(e, native.Uint32(e), native.Uint32(e[4:]))
	}
	for i := range count {
		first, ok := key(i)
		if !ok || below(first, low) || !below(first, high) && high != nil {
			return corrupt("page %d: its child %d is out of place", id, i)
		}
		next := high
		if i+1 < count {
			if next, ok = key(i + 1); !ok || bytes.Compare(first, next) >= 0 {
				return corrupt("page %d: its child %d is out of place", id, i+1)
			}
		}
		child := native.Uint64(b[pageHeader+elementSize*i+8:])
		if err := v.tree(child, depth+1, first, next); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) leaf(b []byte, id uint64, depth int, low, high []byte) error {
	var last []byte
	for i := range int(native.Uint16(b[10:])) {
		e := b[min(pageHeader+elementSize*i, len(b)):]
		if len(e) < elementSize {
			return corrupt("page %d: its item %d lies outside", id, i)
		}
		flags, pos, ksize, vsize := native.Uint32(e), native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:])
		key, ok := cut(e, pos, ksize)
		value, ok2 := cut(e, pos+ksize, vsize)
		if !ok || !ok2 || pos+ksize < pos || ksize == 0 || flags&^flagBucket != 0 {
			return corrupt("page %d: its item %d lies outside", id, i)
		}
		if below(key, low) || high != nil && !below(key, high) || i > 0 && bytes.Compare(last, key) >= 0 {
			return corrupt("page %d: its item %d is out of place", id, i)
		}
		last = key
		if flags&flagBucket == 0 {
			continue
		}
		if err := v.bucket(value, id, depth); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) bucket(value []byte, id uint64, depth int) error {
	if len(value) < bucketSize {
		return corrupt("page %d: a bucket of %d bytes", id, len(value))
	}
	if root := native.Uint64(value); root != 0 {
		return v.tree(root, depth+1, nil, nil)
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || native.Uint16(inline[8:]) != flagLeaf {
		return corrupt("page %d: a bucket without a page", id)
	}
	return v.leaf(inline, id, depth+1, nil, nil)
}

// cut returns n bytes of b from pos on, if it has them.
func cut(b []byte, pos, n uint32) ([]byte, bool) {
	if uint64(pos)+uint64(n) > uint64(len(b)) {
		return nil, false
	}
	return b[pos : pos+n], true
}

// below reports whether key comes before bound, if there is one.
func below(key, bound []byte) bool { return bound != nil && bytes.Compare(key, bound) < 0 }
