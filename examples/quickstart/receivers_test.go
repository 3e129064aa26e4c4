package main

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arrivedMails returns the mails as "to: subject", and leaves the digests out.
func arrivedMails(b *mailbox) (mails []string) {
	for _, m := range b.accepted {
		parsed, err := mail.ReadMessage(strings.NewReader(string(m.data)))
		if err != nil {
			mails = append(mails, err.Error())
			continue
		}
		subject, _ := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
		if to := strings.Join(m.to, ", "); to != "ops@example.com" {
			mails = append(mails, to+": "+subject)
		}
	}
	return mails
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	b, err := listenSMTP(0)
	require.NoError(t, err)
	t.Cleanup(b.close)
	return b
}

func TestSMTPDialogue(t *testing.T) {
	b := newMailbox(t)
	c, err := textproto.Dial("tcp", b.addr())
	require.NoError(t, err)
	defer c.Close()
	_, _, err = c.ReadResponse(220)
	require.NoError(t, err)

	for _, step := range []struct {
		command string
		reply   int
	}{
		{"NOOP", 250},
		{"mail", 501},
		{"RCPT TO:<a@example.com>", 503},
		{"DATA", 503},
		{"EHLO localhost", 250},
		{"STARTTLS", 500},
		{"MAIL FROM:a@example.com", 501},
		{"MAIL FROM:<> BODY=8BITMIME", 250},
		{"MAIL FROM:<b@example.com>", 503},
		{"DATA", 503},
		{"RSET", 250},
		{"mail from:<b@example.com>", 250},
		{"RCPT FROM:<a@example.com>", 501},
		{"RCPT TO:<>", 501},
		{"RCPT TO:<x@refused.example>", 550},
		{"DATA", 503},
		{"RCPT TO:<x@greylist.example>", 451},
		{"RCPT TO:<x@greylist.example>", 250},
		{"RCPT TO:<a@example.com>", 250},
		{"VRFY a", 252},
		{"DATA", 354},
		{"Subject: x\r\n\r\n..\r\n..dot\r\n.", 250},
		{"DATA", 503},
		{"HELO again", 250},
		{"QUIT", 221},
	} {
		require.NoError(t, c.PrintfLine("%s", step.command))
		code, text, err := c.ReadResponse(step.reply)
		require.NoError(t, err, "%s: %d %s", step.command, code, text)
	}
	_, err = c.ReadLine()
	require.Error(t, err, "the session is over")
	assert.Equal(t, []message{{
		from: "b@example.com",
		to:   []string{"x@greylist.example", "a@example.com"},
		data: []byte("Subject: x\n\n.\n.dot\n"),
	}}, b.accepted)
	assert.Equal(t, []int{1, 1}, []int{b.refused, b.deferred})
}

func TestSMTPCutOffMailIsNotAccepted(t *testing.T) {
	b := newMailbox(t)
	c, err := smtp.Dial(b.addr())
	require.NoError(t, err)
	require.NoError(t, c.Mail("a@example.com"))
	require.NoError(t, c.Rcpt("b@example.com"))
	w, err := c.Data()
	require.NoError(t, err)
	_, err = fmt.Fprintln(w, "half of")
	require.NoError(t, err)
	require.NoError(t, c.Close())
	b.close()
	assert.Empty(t, b.accepted)
}

func TestSMTPTooManyRecipients(t *testing.T) {
	b := newMailbox(t)
	c, err := smtp.Dial(b.addr())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Mail("a@example.com"))
	for range maxRecipients {
		require.NoError(t, c.Rcpt("b@example.com"))
	}
	require.ErrorContains(t, c.Rcpt("c@example.com"), "452")
}

func TestSMTPBoundsASession(t *testing.T) {
	b := newMailbox(t)
	c, err := textproto.Dial("tcp", b.addr())
	require.NoError(t, err)
	defer c.Close()
	_ = c.PrintfLine("%s", strings.Repeat("x", maxSession+1)) // the receiver may hang up first
	_, _, err = c.ReadResponse(220)
	require.NoError(t, err)
	_, err = c.ReadLine()
	require.Error(t, err, "the session is over")
}

func TestMailArrivesAsItWasSent(t *testing.T) {
	b := newMailbox(t)
	s := newSender(b.addr(), "", 1)
	m := Email{To: "a@example.com", Subject: "Grüße\r\nBcc: injected@example.com", Text: "one\n.two\n..three\n\nü"}
	require.NoError(t, s.sendMail(t.Context(), m))
	require.Len(t, b.accepted, 1)

	got, err := mail.ReadMessage(strings.NewReader(string(b.accepted[0].data)))
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	require.NoError(t, err)
	assert.Equal(t, m.Subject, subject)
	assert.Empty(t, got.Header.Get("Bcc"))
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	assert.Equal(t, m.Text+"\n", string(text))
}

func TestWebhookReceiver(t *testing.T) {
	r, err := listenWebhooks(0)
	require.NoError(t, err)
	t.Cleanup(r.close)
	post := func(path, id, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url()+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Delivery-ID", id)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for _, step := range []struct {
		path, id, body string
		status         int
	}{
		{"/orders", "1", "{}", 200},
		{"/orders", "1", "{}", 200}, // the same delivery again
		{"/orders", "2", "{", 400},
		{"/flaky/orders", "3", "{}", 500},
		{"/flaky/orders", "3", "{}", 200},
		{"/broken", "4", "{}", 500},
		{"/broken", "4", "{}", 500},
		{"/gone", "5", "{}", 410},
	} {
		assert.Equal(t, step.status, post(step.path, step.id, step.body), "%v", step)
	}
	assert.Equal(t, map[string]string{"1": "/orders", "3": "/flaky/orders"}, r.accepted)
	assert.Equal(t, []int{7, 1}, []int{r.requests, r.repeated}, "unreadable ones are not counted")
}
