package relevo;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.module.kotlin.ExtensionsKt;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;

/**
 * Read each example into the generated class that it names, write it again, and compare what both mean.
 *
 * <p>Argument: a file with one example a line: a class and its JSON, with a tab between. Unknown fields fail.
 * Prints "ok" or why not, a line for each.
 */
public final class Reader {
  private static final ObjectMapper PLAIN = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    ObjectMapper ofQuicktype = (ObjectMapper) Class.forName("relevo.kotlin.events.EventsKt").getMethod("getMapper").invoke(null);
    ObjectMapper ofKotlin = ExtensionsKt.jacksonObjectMapper();
    for (String line : Files.readAllLines(Path.of(arguments[0]))) {
      String[] parts = line.split("\t");
      ObjectMapper mapper = parts[0].startsWith("relevo.kotlin.events.") ? ofQuicktype
          : parts[0].startsWith("relevo.kotlin.") ? ofKotlin : PLAIN;
      System.out.println(read(mapper, parts[0], parts[1]));
    }
  }

  private static String read(ObjectMapper mapper, String name, String json) {
    try {
      Object value = mapper.readValue(json, Class.forName(name));
      JsonNode was = withoutNulls(PLAIN.readTree(json));
      JsonNode is = withoutNulls(PLAIN.readTree(mapper.writeValueAsString(value)));
      return was.equals(is) ? "ok" : name + " wrote " + is;
    } catch (Exception | LinkageError error) {
      return name + ": " + error.toString().replace('\n', ' ');
    }
  }

  private static JsonNode withoutNulls(JsonNode node) {
    for (Iterator<JsonNode> parts = node.iterator(); parts.hasNext();) {
      JsonNode part = parts.next();
      if (part.isNull()) {
        parts.remove();
      } else {
        withoutNulls(part);
      }
    }
    return node;
  }
}
