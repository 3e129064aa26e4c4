package protocol

// What is done under the mailbox's lock. Who tells the owner sets awake there, and sends
// the wake-up after it.

// tell says, under the lock, that the owner is to look: true for the goroutine that then wakes it.
func (s *state) tell() (sends bool) {
	if !s.mail.attended || s.mail.awake {
		return false
	}
	s.mail.awake = true
	return true
}

// wake sends the wake-up. It does not wait: a token that is there serves as well.
func (s *state) wake(sends *bool) (string, Speed) {
	s.token, *sends = true, false
	return "wakes the owner", Prompt
}

// post is a plain Enqueue, or one of a job with a record.
func (m *model) post(s *state, p *producer, k kind) string {
	b := &s.mail
	if m.Capacity > 0 {
		if b.room == 0 {
			p.pc = producerAsks
			return "finds no room"
		}
		b.room--
	}
	job := s.accept(k)
	waits := b.tail != b.taken
	if k == plain && b.lent != 0 && b.attended && (!waits || !m.on(HandOverInOrder)) {
		p.to, p.job, p.pc = b.lent-1, job, producerHands
		b.direct, b.job, b.lent = b.lent, job, 0
		s.start(job - 1)
		return "claims the lent worker for its job"
	}
	s.push(k)
	b.pressing = b.pressing || k == delayed && m.on(PressingWakes)
	if b.pressing || b.eager && !s.coming && m.on(JobWakes) || !waits && !b.napping {
		p.sends = s.tell()
	}
	return "posts its job"
}

// accept gives a job its number.
func (s *state) accept(k kind) uint8 {
	s.jobs[s.accepted] = job{k, waiting}
	s.accepted++
	return s.accepted
}

// push puts the last job that was accepted into the list.
func (s *state) push(kind) {
	s.mail.list[s.mail.tail] = s.accepted
	s.mail.tail++
}

// giveBack is how a worker that has no job any more returns.
func (m *model) giveBack(s *state, i uint8) string {
	b, w := &s.mail, &s.workers[i]
	w.pc = workerAwaits
	if b.direct == i+1 && !w.bad && b.attended {
		s.settle(w.job, processed)
		s.owner.ended++
		s.owner.started++
		w.job = 0
		b.direct, b.job, b.lent = 0, 0, i+1
		return "is lent again"
	}
	b.returned.add(i)
	if m.on(WorkerWakes) {
		w.sends = s.tell()
	}
	return "gives itself back"
}
