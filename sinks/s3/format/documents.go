package format

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/parquet-go/parquet-go"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/document"
)

// ecsRow is an ECS document as Parquet has it: a column for each of the fields that
// are asked for, named like the field with _ for the dots, and the document.
type ecsRow struct {
	Timestamp      time.Time `parquet:"timestamp,timestamp(millisecond)"`
	EventID        string    `parquet:"event_id"`
	EventAction    string    `parquet:"event_action,optional,dict"`
	EventCategory  []string  `parquet:"event_category,list"`
	EventType      []string  `parquet:"event_type,list"`
	EventOutcome   string    `parquet:"event_outcome,optional,dict"`
	EventSeverity  *int64    `parquet:"event_severity,optional"`
	Message        string    `parquet:"message,optional"`
	UserID         string    `parquet:"user_id,optional,dict"`
	UserName       string    `parquet:"user_name,optional,dict"`
	UserEmail      string    `parquet:"user_email,optional,dict"`
	SourceIP       string    `parquet:"source_ip,optional,dict"`
	OrganizationID string    `parquet:"organization_id,optional,dict"`
	CloudProjectID string    `parquet:"cloud_project_id,optional,dict"`
	Document       string    `parquet:"document"` // JSON text, everything
}

func (r *ecsRow) fill(doc []byte) error {
	var d struct {
		Timestamp time.Time `json:"@timestamp"`
		Message   string    `json:"message"`
		Event     struct {
			ID, Action, Outcome string
			Category, Type      []string
			Severity            *int64
		} `json:"event"`
		User         struct{ ID, Name, Email string } `json:"user"`
		Source       struct{ IP string }              `json:"source"`
		Organization struct{ ID string }              `json:"organization"`
		Cloud        struct {
			Project struct{ ID string } `json:"project"`
		} `json:"cloud"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return err
	}
	*r = ecsRow{
		Timestamp: d.Timestamp, EventID: d.Event.ID, EventAction: d.Event.Action, EventCategory: d.Event.Category, EventType: d.Event.Type,
		EventOutcome: d.Event.Outcome, EventSeverity: d.Event.Severity, Message: d.Message,
		UserID: d.User.ID, UserName: d.User.Name, UserEmail: d.User.Email, SourceIP: d.Source.IP,
		OrganizationID: d.Organization.ID, CloudProjectID: d.Cloud.Project.ID, Document: string(doc),
	}
	return nil
}

// ocsfRow is an OCSF document as Parquet has it.
type ocsfRow struct {
	Time               int64     `parquet:"time"` // milliseconds, as in the document
	TimeDT             time.Time `parquet:"time_dt,timestamp(millisecond)"`
	ClassUID           int32     `parquet:"class_uid"`
	ClassName          string    `parquet:"class_name,optional,dict"`
	CategoryUID        int32     `parquet:"category_uid"`
	CategoryName       string    `parquet:"category_name,optional,dict"`
	ActivityID         int32     `parquet:"activity_id"`
	ActivityName       string    `parquet:"activity_name,optional,dict"`
	TypeUID            int64     `parquet:"type_uid"`
	TypeName           string    `parquet:"type_name,optional,dict"`
	SeverityID         int32     `parquet:"severity_id"`
	Severity           string    `parquet:"severity,optional,dict"`
	StatusID           *int32    `parquet:"status_id,optional"`
	Status             string    `parquet:"status,optional,dict"`
	Message            string    `parquet:"message,optional"`
	MetadataUID        string    `parquet:"metadata_uid"`
	MetadataVersion    string    `parquet:"metadata_version,dict"`
	MetadataEventCode  string    `parquet:"metadata_event_code,optional,dict"`
	ActorUserUID       string    `parquet:"actor_user_uid,optional,dict"`
	ActorUserName      string    `parquet:"actor_user_name,optional,dict"`
	ActorUserEmailAddr string    `parquet:"actor_user_email_addr,optional,dict"`
	SrcEndpointIP      string    `parquet:"src_endpoint_ip,optional,dict"`
	CloudAccountUID    string    `parquet:"cloud_account_uid,optional,dict"`
	Document           string    `parquet:"document"` // JSON text, everything
}

func (r *ocsfRow) fill(doc []byte) error {
	var d struct {
		Time         int64  `json:"time"`
		ClassUID     int32  `json:"class_uid"`
		ClassName    string `json:"class_name"`
		CategoryUID  int32  `json:"category_uid"`
		CategoryName string `json:"category_name"`
		ActivityID   int32  `json:"activity_id"`
		ActivityName string `json:"activity_name"`
		TypeUID      int64  `json:"type_uid"`
		TypeName     string `json:"type_name"`
		SeverityID   int32  `json:"severity_id"`
		Severity     string `json:"severity"`
		StatusID     *int32 `json:"status_id"`
		Status       string `json:"status"`
		Message      string `json:"message"`
		Metadata     struct {
			UID       string `json:"uid"`
			Version   string `json:"version"`
			EventCode string `json:"event_code"`
		} `json:"metadata"`
		Actor struct {
			User struct {
				UID       string `json:"uid"`
				Name      string `json:"name"`
				EmailAddr string `json:"email_addr"`
			} `json:"user"`
		} `json:"actor"`
		SrcEndpoint struct {
			IP string `json:"ip"`
		} `json:"src_endpoint"`
		Cloud struct {
			Account struct {
				UID string `json:"uid"`
			} `json:"account"`
		} `json:"cloud"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return err
	}
	*r = ocsfRow{
		Time: d.Time, TimeDT: time.UnixMilli(d.Time).UTC(), ClassUID: d.ClassUID, ClassName: d.ClassName, CategoryUID: d.CategoryUID, CategoryName: d.CategoryName,
		ActivityID: d.ActivityID, ActivityName: d.ActivityName, TypeUID: d.TypeUID, TypeName: d.TypeName, SeverityID: d.SeverityID, Severity: d.Severity,
		StatusID: d.StatusID, Status: d.Status, Message: d.Message, MetadataUID: d.Metadata.UID, MetadataVersion: d.Metadata.Version,
		MetadataEventCode: d.Metadata.EventCode, ActorUserUID: d.Actor.User.UID, ActorUserName: d.Actor.User.Name,
		ActorUserEmailAddr: d.Actor.User.EmailAddr, SrcEndpointIP: d.SrcEndpoint.IP, CloudAccountUID: d.Cloud.Account.UID, Document: string(doc),
	}
	return nil
}

func (r *ecsRow) event() (id, doc string)  { return r.EventID, r.Document }
func (r *ocsfRow) event() (id, doc string) { return r.MetadataUID, r.Document }

// documentRow is a row that is made of a document.
type documentRow[R any] interface {
	*R
	fill(doc []byte) error
	event() (id, doc string)
}

// documentTable is the table of a JSON schema: its documents, and columns taken out
// of them.
func documentTable[R any, P documentRow[R]](name, schema, time string) *table {
	var zero R
	parquetSchema := parquet.NewSchema(name, parquet.SchemaOf(zero))
	appendDocument := document.Lookup(schema)
	return &table{
		schema: parquetSchema, time: time, blobs: []string{"document"},
		row: func(dst parquet.Row, e *schemas.AuditEvent) (parquet.Row, error) {
			var row R
			if err := P(&row).fill(appendDocument(nil, e)); err != nil {
				return nil, fmt.Errorf("read the %s document: %w", schema, err)
			}
			return parquetSchema.Deconstruct(dst, &row), nil
		},
		read: func(body []byte, yield func(Event) error) error {
			return readRows(body, func(index int, row *R) error {
				id, doc := P(row).event()
				return yield(Event{ID: id, Index: index, Line: []byte(doc)})
			})
		},
	}
}
