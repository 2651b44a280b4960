package splunkhec

import (
	"net/http"
	"testing"

	"auditlog-connector/internal/httpclient"
)

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"text":"Success","code":0,"ackId":7}`, `{"text":"Invalid data format","code":6,"invalid-event-number":3}`, `{"acks":{"0":true,"x":false}}`,
		`{"code":-1}`, `{"code":1e9}`, `{"code":0,"ackId":-5,"invalid-event-number":-9}`, `[]`, `<html>`, ``, `{"acks":[]}`, `{"code":"0"}`,
	} {
		f.Add(200, []byte(seed))
		f.Add(400, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := read(&httpclient.Response{Status: status, Header: http.Header{}, Body: body})
		c := a.class()
		if (c == classTaken || c == classSlow) != (a.err() == nil) {
			t.Errorf("class %d, %v", c, a.err())
		}
		if (c == classTaken || c == classSlow) && status != 200 {
			t.Errorf("status %d is a success", status)
		}
		if a.number < -1 || a.ack < -1 {
			t.Errorf("number %d, id %d", a.number, a.ack)
		}
		a.acks()
	})
}

func FuzzResults(f *testing.F) {
	for _, seed := range []string{
		`{"preview":false,"offset":0,"result":{"event_id":"a","count":"1"}}` + "\n" + `{"lastrow":true}`, `{"messages":[{"type":"FATAL","text":"x"}]}`,
		`{"result":{"event_id":["a"]}}`, `{"result":null}`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := readResults(body)
		if err != nil && rows != nil {
			t.Errorf("%d rows beside %v", len(rows), err)
		}
	})
}
