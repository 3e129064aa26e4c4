package core

import (
	"slices"

	"github.com/a622d8ee/dray/internal/sorted"
)

// seqOf is where j is among jobs that are in the order of their turns.
func seqOf(j *Job) sorted.Key { return sorted.Key{Major: j.seq} }

// byID is where the job of that ID is among jobs in the order of their IDs.
func byID(id uint64) sorted.Key { return sorted.Key{Minor: id} }

// An aside is what was put aside as its kind or its task is paused: by priority, High
// first, and by turn, so that it can go to the front of its lanes as it is.
type aside [3]sorted.List[*Job]

func (a *aside) push(j *Job)        { a[High-j.Priority].Put(seqOf(j), j) }
func (a *aside) remove(j *Job) bool { return a[High-j.Priority].Delete(seqOf(j)) }

func (a *aside) all() (jobs []*Job) {
	for i := range a {
		for _, j := range a[i].All() {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// A front is what goes before the list of a lane, by turn. It is several lists, so that
// what was put aside comes there without a look at each job.
type front struct {
	parts []*sorted.List[*Job] // none is empty
	n     int
}

// maxMoved bounds the jobs that are moved at a time to have fewer parts.
const maxMoved = 256

func (f *front) len() int { return f.n }

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

func (f *front) push(j *Job) {
	if len(f.parts) == 0 {
		f.parts = append(f.parts, new(sorted.List[*Job]))
	}
	f.parts[0].Put(seqOf(j), j)
	f.n++
}

// remove reports whether j was there.
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

// take takes over all jobs of a list, which is not used any more.
func (f *front) take(jobs *sorted.List[*Job]) {
	f.n += jobs.Len()
	for i, p := range f.parts {
		small, large := p, jobs
		if large.Len() < small.Len() {
			small, large = large, small
		}
		if small.Len() > maxMoved {
			continue
		}
		for k, j := range small.All() {
			large.Put(k, j)
		}
		f.parts[i] = large
		return
	}
	if jobs.Len() > 0 {
		f.parts = append(f.parts, jobs)
	}
}

// place returns how many come before j, as far as their lists know.
func (f *front) place(j *Job) (n int) {
	for _, p := range f.parts {
		n += p.Rank(seqOf(j))
	}
	return n
}

func (f *front) all() (jobs []*Job) {
	for _, p := range f.parts {
		for _, j := range p.All() {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, bySeq)
	return jobs
}

// after returns the next jobs behind that turn, at most so many.
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
