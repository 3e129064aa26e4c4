package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/a622d8ee/dray"
)

// sender delivers mails and webhooks.
type sender struct {
	server string // host:port of the mail server
	base   string // URL of the webhook receiver
	client *http.Client
}

// newSender keeps one idle connection per worker.
func newSender(server, base string, workers int) *sender {
	return &sender{server: server, base: base, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: workers},
		Timeout:   5 * time.Second,
	}}
}

// sendMail delivers one mail. What the server refuses for good (5xx) is not
// retried; what it defers (4xx), and a broken connection, is.
func (s *sender) sendMail(ctx context.Context, m Email) error {
	err := s.deliver(ctx, m)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // and not that the connection was closed
	}
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code >= 500 {
		return dray.Discard(fmt.Errorf("mail to %s: %w", m.To, err))
	}
	if err != nil {
		return fmt.Errorf("mail to %s: %w", m.To, err)
	}
	return nil
}

// deliver is the SMTP dialogue. net/smtp knows no contexts: the end of ctx
// closes the connection under it.
func (s *sender) deliver(ctx context.Context, m Email) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.server)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()

	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	if err := c.Mail("dray@example.com"); err != nil {
		return err
	}
	if err := c.Rcpt(m.To); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if err := writeMail(w, jobID(ctx), m); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the mail is delivered, whatever the server says to this
	return nil
}

// writeMail writes an RFC 5322 message. The job's ID makes the Message-ID, the
// same one in every attempt.
func writeMail(w io.Writer, id string, m Email) error {
	_, err := fmt.Fprintf(w, "Message-ID: <%s@quickstart>\r\nDate: %s\r\nFrom: dray@example.com\r\nTo: %s\r\nSubject: %s\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
		id, time.Now().Format(time.RFC1123Z), m.To, mime.QEncoding.Encode("utf-8", m.Subject), m.Text)
	return err
}

// callWebhook posts one document. The job's ID goes along, so that the receiver
// can tell a retry from a new delivery. A 4xx answer is not retried.
func (s *sender) callWebhook(ctx context.Context, h Webhook) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+h.Path, bytes.NewReader(h.Body))
	if err != nil {
		return dray.Discard(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Delivery-ID", jobID(ctx))
	status, err := s.do(req)
	switch {
	case err != nil:
		return err
	case status >= 400 && status < 500:
		return dray.Discard(fmt.Errorf("webhook %s: %d %s", h.Path, status, http.StatusText(status)))
	case status != http.StatusOK:
		return fmt.Errorf("webhook %s: %d %s", h.Path, status, http.StatusText(status))
	}
	return nil
}

// checkHealth is a periodic task.
func (s *sender) checkHealth(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/health", nil)
	if err != nil {
		return err
	}
	status, err := s.do(req)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("health: %d %s", status, http.StatusText(status))
	}
	return err
}

// do sends req and reads the answer to its end, which frees the connection for
// the next request.
func (s *sender) do(req *http.Request) (status int, err error) {
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func jobID(ctx context.Context) string {
	job, _ := dray.JobFrom(ctx)
	return job.ID.String()
}

// handlers are what generic jobs may call.
var handlers = map[string]func(ctx context.Context, args []string) error{
	"checksum": func(_ context.Context, args []string) error {
		_ = sha256.Sum256([]byte(strings.Join(args, " ")))
		return nil
	},
	"import": func(_ context.Context, args []string) error {
		return fmt.Errorf("import %s: no such table", strings.Join(args, " "))
	},
	"explode": func(_ context.Context, args []string) error {
		panic("boom: " + strings.Join(args, " "))
	},
}

// closure binds the handler to its arguments.
func (g Generic) closure() dray.Func {
	return func(ctx context.Context) error { return handlers[g.Handler](ctx, g.Args) }
}
