/** For front ends, which see of routing what the broker shows: would SNS take this filter policy, and if not, in which words? */
export { judgeFilter } from '../routing/filter/judge.ts'
