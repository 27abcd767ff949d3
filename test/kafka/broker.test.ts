/** All that needs a broker, on one broker: to start it costs more than most of what is tested with it. */
import { after, describe } from 'node:test';
import { TestBroker } from './broker.js';
import { killSuite } from './kill.suite.js';
import { readingSuite } from './reading.suite.js';
import { writingSuite } from './writing.suite.js';

const broker = await TestBroker.start();

if (typeof broker === 'string') describe.skip(`with a broker: ${broker}`);
else {
  after(() => broker.stop());
  describe('reads topics', () => readingSuite(broker));
  describe('writes topics', () => writingSuite(broker));
  describe('exactly once', () => killSuite(broker));
}
