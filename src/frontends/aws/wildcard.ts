/** `*` and `?` as in IAM. Linear in both lengths but for restarts at the last star, so no pattern is slow at 8 KiB. */
export function matchesWildcard(pattern: string, text: string): boolean {
  let at = 0
  let next = 0
  let star = -1
  let resume = 0
  while (next < text.length) {
    const expected = pattern[at]
    if (expected === '*') {
      star = at++
      resume = next
    } else if (expected !== undefined && (expected === '?' || expected === text[next])) {
      at++
      next++
    } else if (star >= 0) {
      at = star + 1
      next = ++resume
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
