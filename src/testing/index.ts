/** What applications may use in their own tests: `import { VirtualClock } from 'spindle-mq/testing'`. */
export { VirtualClock } from './virtual-clock.ts'
