package hectest

import (
	"encoding/json"
	"net/http"
)

// The codes of answers.
const (
	codeSuccess = iota
	codeTokenDisabled
	codeTokenRequired
	codeInvalidAuthorization
	codeInvalidToken
	codeNoData
	codeInvalidData
	codeIncorrectIndex
	codeInternal
	codeBusy
	codeChannelMissing
	codeInvalidChannel
	codeEventRequired
	codeEventBlank
	codeAckDisabled
	codeFields
	codeQueryToken
	codeHealthy
	codeQueuesFull
	codeAckService
	codeQueuesAndAck
	codeHealthInvalidToken
	codeHealthDisabledToken
	codeShuttingDown
	codeNearQueue
	codeNearAck
	codeQueueFull
	codeAckFull
	codeChannelMissingCloud
)

// codes has the status and the text of each code.
var codes = [...]struct {
	status int
	text   string
}{
	codeSuccess:              {200, "Success"},
	codeTokenDisabled:        {403, "Token disabled"},
	codeTokenRequired:        {401, "Token is required"},
	codeInvalidAuthorization: {401, "Invalid authorization"},
	codeInvalidToken:         {403, "Invalid token"},
	codeNoData:               {400, "No data"},
	codeInvalidData:          {400, "Invalid data format"},
	codeIncorrectIndex:       {400, "Incorrect index"},
	codeInternal:             {500, "Internal server error"},
	codeBusy:                 {503, "Server is busy"},
	codeChannelMissing:       {400, "Data channel is missing"},
	codeInvalidChannel:       {400, "Invalid data channel"},
	codeEventRequired:        {400, "Event field is required"},
	codeEventBlank:           {400, "Event field cannot be blank"},
	codeAckDisabled:          {400, "ACK is disabled"},
	codeFields:               {400, "Error in handling indexed fields"},
	codeQueryToken:           {400, "Query string authorization is not enabled"},
	codeHealthy:              {200, "HEC is healthy"},
	codeQueuesFull:           {503, "HEC is unhealthy, queues are full"},
	codeAckService:           {503, "HEC is unhealthy, ack service unavailable"},
	codeQueuesAndAck:         {503, "HEC is unhealthy, queues are full, ack service unavailable"},
	codeHealthInvalidToken:   {400, "Invalid token"},
	codeHealthDisabledToken:  {400, "Token disabled"},
	codeShuttingDown:         {503, "Server is shutting down"},
	codeNearQueue:            {200, "HEC is healthy, queue approaching capacity"},
	codeNearAck:              {200, "HEC is healthy, ACK channel approaching capacity"},
	codeQueueFull:            {429, "Queue at capacity"},
	codeAckFull:              {429, "ACK channel at capacity"},
	codeChannelMissingCloud:  {400, "Data channel is missing or sticky sessions are not enabled"},
}

// reply is an answer that is not sent yet.
type reply struct {
	status int
	kind   string // Content-Type; empty: JSON
	body   []byte
	cookie *http.Cookie
}

// status is the part of an answer that most have.
type status struct {
	Text   string `json:"text"`
	Code   int    `json:"code"`
	Number *int   `json:"invalid-event-number,omitempty"`
	AckID  *int64 `json:"ackId,omitempty"`
}

func coded(code int) reply { return answer(status{Code: code}) }

// answer fills in the text, and makes s a reply.
func answer(s status) reply {
	s.Text = codes[s.Code].text
	return jsonReply(codes[s.Code].status, s)
}

func jsonReply(status int, v any) reply {
	body, _ := json.Marshal(v) // what is made here can be encoded
	return reply{status: status, body: body}
}

// page is what a proxy in front of Splunk answers, or Splunk below HEC.
func page(status int) reply {
	text := http.StatusText(status)
	return reply{status: status, kind: "text/html", body: []byte("<!doctype html><html><head><title>" + text + "</title></head><body><h1>" + text + "</h1></body></html>\n")}
}
