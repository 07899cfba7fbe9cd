"""Lists and maps within accumulators. They are held in memory here."""

__all__ = ["DataView", "ListView", "MapView"]


class DataView:
    """A collection within an accumulator."""

    def clear(self):
        """Takes everything out."""
        raise NotImplementedError


class ListView(DataView, list):
    """A list."""

    def __init__(self):
        list.__init__(self)

    def get(self):
        """An iterable of the elements."""
        return iter(self)

    def add(self, value):
        """Appends an element."""
        self.append(value)

    def add_all(self, values):
        """Appends elements."""
        self.extend(values)

    def clear(self):
        list.clear(self)

    def __vivarium_state__(self):
        return list(self)

    @classmethod
    def __vivarium_restore__(cls, parts):
        made = cls()
        made.add_all(parts)
        return made

    def __hash__(self):
        return id(self)


class MapView(DataView, dict):
    """A map."""

    def __init__(self):
        dict.__init__(self)

    def put(self, key, value):
        """Sets the value of a key."""
        self[key] = value

    def put_all(self, values):
        """Sets the values of keys."""
        self.update(values)

    def remove(self, key):
        """Takes a key out."""
        del self[key]

    def contains(self, key):
        """Whether there is such a key."""
        return key in self

    def is_empty(self):
        """Whether there are no keys."""
        return not self

    def clear(self):
        dict.clear(self)

    def __vivarium_state__(self):
        return dict(self)

    @classmethod
    def __vivarium_restore__(cls, parts):
        made = cls()
        made.put_all(parts)
        return made

    def __hash__(self):
        return id(self)
