package core

// This file has what goes before the list of a lane, and what stands aside. A job goes before
// the list if it has had its turn there already, and could not start, or was cut off. All of
// that is in the order of turns (seq), which a job keeps until it becomes pending anew.

import (
	"slices"

	"github.com/a622d8ee/dray/internal/sorted"
)

// seqOf is where j is among jobs that are in the order of their turns. A job's turn must not change
// while it is in such a list.
func seqOf(j *Job) sorted.Key { return sorted.Key{Major: j.seq} }

// byID is where the job of that ID is among jobs in the order of their IDs, which is that of
// acceptance.
func byID(id uint64) sorted.Key { return sorted.Key{Minor: id} }

// An aside is what was put aside as its kind or its task is paused: by priority, High first, and by
// turn, so that it can go to the front of its lanes as it is. The zero value is empty.
type aside [3]sorted.List[*Job]

func (a *aside) push(j *Job)        { a[High-j.Priority].Put(seqOf(j), j) }
func (a *aside) remove(j *Job) bool { return a[High-j.Priority].Delete(seqOf(j)) }

// all returns the jobs by priority, then by turn.
func (a *aside) all() (jobs []*Job) {
	for i := range a {
		for _, j := range a[i].All() {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// A front is what goes before the list of a lane, by turn. It is several lists, so that what was
// put aside comes there without a look at each job. The price is that to find the first looks at
// all parts: there are many only if many kinds are resumed with many jobs each.
type front struct {
	parts []*sorted.List[*Job] // none is empty; no job is in two
	n     int                  // jobs in all of them
}

// maxMoved bounds the jobs that are moved at a time to have fewer parts.
const maxMoved = 256

func (f *front) len() int { return f.n }

// first returns the job with the earliest turn, or nil. It is O(parts).
func (f *front) first() (first *Job) {
	for _, p := range f.parts {
		if _, j, ok := p.First(); ok {
			first = earlier(first, j)
		}
	}
	return first
}

// pop takes the first job, or nil.
func (f *front) pop() *Job {
	j := f.first()
	if j != nil {
		f.remove(j)
	}
	return j
}

// push puts j where its turn is. Any part would do.
func (f *front) push(j *Job) {
	if len(f.parts) == 0 {
		f.parts = append(f.parts, new(sorted.List[*Job]))
	}
	f.parts[0].Put(seqOf(j), j)
	f.n++
}

// remove takes j out, and reports whether it was there. It looks in one part after the other.
func (f *front) remove(j *Job) bool {
	for i, p := range f.parts {
		if !p.Delete(seqOf(j)) {
			continue
		}
		f.n--
		if p.Len() == 0 {
			f.parts = slices.Delete(f.parts, i, i+1)
		}
		return true
	}
	return false
}

func (f *front) has(j *Job) bool {
	return slices.ContainsFunc(f.parts, func(p *sorted.List[*Job]) bool { return p.Has(seqOf(j)) })
}

// take takes over all jobs of a list, which is not used any more. If the list or a part is short it
// is merged into the other, so that the parts do not become many; at most maxMoved jobs are moved
// for that.
func (f *front) take(jobs *sorted.List[*Job]) {
	f.n += jobs.Len()
	for i, p := range f.parts {
		small, large := p, jobs
		if large.Len() < small.Len() {
			small, large = large, small
		}
		// Both are long: another part may be short.
		if small.Len() > maxMoved {
			continue
		}
		// The list that is emptied is dropped and not used any more, so it is not changed while it
		// is read.
		for k, j := range small.All() {
			large.Put(k, j)
		}
		f.parts[i] = large
		return
	}
	// It becomes a part of its own, unless that would be an empty one.
	if jobs.Len() > 0 {
		f.parts = append(f.parts, jobs)
	}
}

// place returns how many come before j, as far as their lists know: see sorted.List.Rank.
func (f *front) place(j *Job) (n int) {
	for _, p := range f.parts {
		n += p.Rank(seqOf(j))
	}
	return n
}

// all returns the jobs by turn, in a slice of its own. It sorts them, as the parts overlap.
func (f *front) all() (jobs []*Job) {
	for _, p := range f.parts {
		for _, j := range p.All() {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, bySeq)
	return jobs
}

// after returns the next jobs behind that turn, at most so many. The first of the whole are among
// the first of the parts, so no part is read further than that.
func (f *front) after(seq sorted.Key, limit int) (jobs []*Job) {
	for _, p := range f.parts {
		n := 0
		for _, j := range p.After(seq) {
			if n++; n > limit {
				break
			}
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, bySeq)
	return jobs[:min(limit, len(jobs))]
}
