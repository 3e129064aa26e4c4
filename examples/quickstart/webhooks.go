package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// webhookReceiver stands in for the rest of the world. By path:
//
//	/flaky/…   fails the first attempt of each delivery
//	/broken    always fails
//	/gone      answers 410: do not come back
//	others     work
type webhookReceiver struct {
	server  http.Server
	addr    net.Addr
	ended   chan struct{}
	latency time.Duration

	mu       sync.Mutex
	attempts map[string]int    // by Delivery-ID
	accepted map[string]string // Delivery-ID to path
	requests int
	repeated int // deliveries that came again though they had been accepted
}

// listenWebhooks serves on a free port of loopback until close.
func listenWebhooks(latency time.Duration) (*webhookReceiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &webhookReceiver{
		addr:     listener.Addr(),
		ended:    make(chan struct{}),
		latency:  latency,
		attempts: map[string]int{},
		accepted: map[string]string{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", r.receive)
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	r.server = http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(r.ended)
		_ = r.server.Serve(listener) // ends with http.ErrServerClosed
	}()
	return r, nil
}

func (r *webhookReceiver) url() string { return "http://" + r.addr.String() }

func (r *webhookReceiver) close() {
	_ = r.server.Close()
	<-r.ended
}

// receive answers one request.
func (r *webhookReceiver) receive(w http.ResponseWriter, req *http.Request) {
	var body json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, 1<<20)).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !wait(req.Context(), r.latency) {
		return // the sender has gone
	}
	if status := r.record(req.Header.Get("Delivery-ID"), req.URL.Path); status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
	}
}

// record notes an attempt, and the delivery once it is accepted.
func (r *webhookReceiver) record(id, path string) (status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.attempts[id]++
	switch {
	case path == "/gone":
		return http.StatusGone
	case path == "/broken", strings.HasPrefix(path, "/flaky/") && r.attempts[id] == 1:
		return http.StatusInternalServerError
	}
	if _, ok := r.accepted[id]; ok {
		r.repeated++
	}
	r.accepted[id] = path
	return http.StatusOK
}
