// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps known objects, some of them garbage, and says "ready"; with an argument it goes on keeping
// more.  Reports the number of collections when it is asked on its standard input.
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;

public class HeapUser {
	static class Kept {
		long a, b;
		byte[] bytes = new byte[100];
	}

	static class Dropped {
		long a;
	}

	static final List<Kept> kept = new ArrayList<>();
	static Dropped[] dropped = new Dropped[5000];

	public static void main(String[] args) throws Exception {
		for (int i = 0; i < 20000; i++)
			kept.add(new Kept());
		System.gc();
		for (int i = 0; i < dropped.length; i++)
			dropped[i] = new Dropped();
		dropped = null;
		System.out.println("ready");
		while (args.length > 0) {
			for (int i = 0; i < 5000; i++)
				kept.add(new Kept());
			Thread.sleep(50);
		}
		while (System.in.read() >= 0) {
			long collections = 0;
			for (GarbageCollectorMXBean b : ManagementFactory.getGarbageCollectorMXBeans())
				collections += b.getCollectionCount();
			System.out.println("collections " + collections);
		}
	}
}
