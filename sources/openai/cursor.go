package openai

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"auditlog-connector/internal/httpclient"
)

// cursor is what one page tells the next through PageRequest.Cursor: the API's
// cursor, and enough to notice that a listing goes round in circles.
type cursor struct {
	After string `json:"after,omitempty"` // last_id of the page before
	First string `json:"first,omitempty"` // id of its first entry
	Last  string `json:"last,omitempty"`  // and of its last

	// Mark is an earlier After, moved up after 1, 2, 4, … pages: a listing that
	// repeats after any number of pages meets it.
	Mark  string `json:"mark,omitempty"`
	Pages uint64 `json:"pages,omitempty"`
}

func (c cursor) encode() string {
	b, _ := json.Marshal(c) // strings and a number
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(text string) (cursor, error) {
	var c cursor
	if text == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.After == "" {
		return cursor{}, errors.New("the cursor is not one of this source")
	}
	return c, nil
}

// advance returns the cursor for the page after list, or "" if list is the last.
// It fails if list does not get further than the page that c came from.
func (c cursor) advance(list *list) (string, error) {
	var first, last string
	if n := len(list.entries); n > 0 {
		first, last = list.entries[0].id, list.entries[n-1].id
	}
	if c.After != "" {
		if first != "" && first == c.First && last == c.Last {
			return "", errors.New("the page is the one before once more")
		}
		for i := range list.entries {
			if id := list.entries[i].id; id == c.After {
				return "", fmt.Errorf("entry %s, after which the page was to begin, is on it", httpclient.Short(id))
			}
		}
	}
	if !list.hasMore {
		return "", nil
	}
	switch {
	case list.lastID == "":
		return "", errors.New("the answer says has_more without a last_id")
	case len(list.entries) == 0:
		return "", errors.New("the answer says has_more without an entry")
	case list.lastID == c.After || list.lastID == c.Mark:
		return "", fmt.Errorf("last_id %s came before: the listing goes round in circles", httpclient.Short(list.lastID))
	}
	next := cursor{After: list.lastID, First: first, Last: last, Mark: c.Mark, Pages: c.Pages + 1}
	if next.Pages&(next.Pages-1) == 0 {
		next.Mark = list.lastID
	}
	return next.encode(), nil
}
