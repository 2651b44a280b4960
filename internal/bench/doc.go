// Package bench measures the real binary from outside, beside the plainest program
// that could do the job, in the same run. It holds no product code.
package bench
