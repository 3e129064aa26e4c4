package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// A session may send this much, and be silent for this long.
const (
	maxSession    = 1 << 20
	maxSilence    = 10 * time.Second
	maxRecipients = 100 // recipients of one mail, the least that RFC 5321 asks for
)

// message is a mail that was accepted.
type message struct {
	from string
	to   []string
	data []byte
}

// mailbox is a small SMTP server (RFC 5321, no extensions but 8BITMIME). By the
// recipient's domain:
//
//	@refused.example     refused for good
//	@greylist.example    deferred the first time, as greylisting servers do
//	others               accepted
type mailbox struct {
	listener net.Listener
	latency  time.Duration
	sessions sync.WaitGroup
	open     context.Context //nolint:containedctx // ends with the mailbox
	shut     context.CancelFunc

	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	seen     map[string]bool // greylisted recipients that came before
	accepted []message
	refused  int
	deferred int
}

// listenSMTP serves on a free port of loopback until close.
func listenSMTP(latency time.Duration) (*mailbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &mailbox{listener: listener, latency: latency, conns: map[net.Conn]struct{}{}, seen: map[string]bool{}}
	b.open, b.shut = context.WithCancel(context.Background())
	b.sessions.Go(b.accept)
	return b, nil
}

func (b *mailbox) addr() string { return b.listener.Addr().String() }

// close ends all sessions and waits for them.
func (b *mailbox) close() {
	b.mu.Lock()
	b.shut()
	for conn := range b.conns {
		_ = conn.Close()
	}
	b.mu.Unlock()
	_ = b.listener.Close()
	b.sessions.Wait()
}

func (b *mailbox) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return // closed
		}
		if b.track(conn) {
			b.sessions.Go(func() { defer b.forget(conn); b.talk(conn) })
		}
	}
}

func (b *mailbox) track(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open.Err() != nil {
		_ = conn.Close()
		return false
	}
	b.conns[conn] = struct{}{}
	return true
}

func (b *mailbox) forget(conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, conn)
	_ = conn.Close()
}

// talk holds one session.
func (b *mailbox) talk(conn net.Conn) {
	limited := struct {
		io.Reader
		io.WriteCloser
	}{io.LimitReader(conn, maxSession), conn}
	s := &session{box: b, text: textproto.NewConn(limited)}
	s.reply(220, "quickstart ready")
	for s.err == nil && conn.SetDeadline(time.Now().Add(maxSilence)) == nil {
		line, err := s.text.ReadLine()
		if err != nil {
			return
		}
		s.obey(line)
	}
}

// session is one connection's dialogue.
type session struct {
	box  *mailbox
	text *textproto.Conn
	mail *message // between MAIL and the end of DATA
	err  error    // ends the session
}

var errQuit = errors.New("quit")

// obey carries out one command.
func (s *session) obey(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "HELO", "RSET":
		s.mail = nil
		s.reply(250, "ok")
	case "EHLO":
		s.mail = nil
		s.reply(250, "quickstart", "8BITMIME")
	case "MAIL":
		s.from(arg)
	case "RCPT":
		s.to(arg)
	case "DATA":
		s.data()
	case "NOOP":
		s.reply(250, "ok")
	case "VRFY":
		s.reply(252, "send some mail and see")
	case "QUIT":
		s.reply(221, "bye")
		s.err = errQuit
	default:
		s.reply(500, "unknown command")
	}
}

func (s *session) from(arg string) {
	path, ok := reversePath(arg, "FROM:")
	switch {
	case !ok:
		s.reply(501, "use MAIL FROM:<address>")
	case s.mail != nil:
		s.reply(503, "one mail at a time")
	default:
		s.mail = &message{from: path}
		s.reply(250, "ok")
	}
}

func (s *session) to(arg string) {
	path, ok := reversePath(arg, "TO:")
	switch {
	case !ok || path == "":
		s.reply(501, "use RCPT TO:<address>")
	case s.mail == nil:
		s.reply(503, "MAIL first")
	case len(s.mail.to) == maxRecipients:
		s.reply(452, "too many recipients")
	default:
		code, text := s.box.judge(path)
		if code == 250 {
			s.mail.to = append(s.mail.to, path)
		}
		s.reply(code, text)
	}
}

func (s *session) data() {
	if s.mail == nil || len(s.mail.to) == 0 {
		s.reply(503, "MAIL and RCPT first")
		return
	}
	s.reply(354, "end with a dot on a line of its own")
	if s.mail.data, s.err = s.text.ReadDotBytes(); s.err != nil {
		return // cut off: the mail was not accepted
	}
	if !wait(s.box.open, s.box.latency) {
		s.err = errors.New("closed")
		return
	}
	s.box.deliver(*s.mail)
	s.mail = nil
	s.reply(250, "accepted")
}

// reply writes one reply, of several lines if there are several texts.
func (s *session) reply(code int, texts ...string) {
	for i, text := range texts {
		separator := "-"
		if i == len(texts)-1 {
			separator = " "
		}
		if err := s.text.PrintfLine("%d%s%s", code, separator, text); err != nil {
			s.err = err
		}
	}
}

// reversePath takes the address out of "FROM:<address> parameters…".
func reversePath(arg, prefix string) (string, bool) {
	if len(arg) < len(prefix) || !strings.EqualFold(arg[:len(prefix)], prefix) {
		return "", false
	}
	arg = strings.TrimSpace(arg[len(prefix):])
	path, _, closed := strings.Cut(strings.TrimPrefix(arg, "<"), ">")
	return path, closed && strings.HasPrefix(arg, "<")
}

// judge answers for one recipient.
func (b *mailbox) judge(address string) (code int, text string) {
	_, domain, _ := strings.Cut(address, "@")
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case domain == "refused.example":
		b.refused++
		return 550, fmt.Sprintf("no mailbox %s here", address)
	case domain == "greylist.example" && !b.seen[address]:
		b.seen[address] = true
		b.deferred++
		return 451, "come back later"
	}
	return 250, "ok"
}

func (b *mailbox) deliver(m message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accepted = append(b.accepted, m)
}
