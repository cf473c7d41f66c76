"""True things about the world in plain words, as tables: one line an entry, `key = value`."""

CAPITALS = """France=Paris=Europe;Spain=Madrid=Europe;Portugal=Lisbon=Europe;Italy=Rome=Europe;Germany=Berlin=Europe;
Austria=Vienna=Europe;Poland=Warsaw=Europe;Greece=Athens=Europe;Norway=Oslo=Europe;Sweden=Stockholm=Europe;
Finland=Helsinki=Europe;Denmark=Copenhagen=Europe;Ireland=Dublin=Europe;Belgium=Brussels=Europe;
the Netherlands=Amsterdam=Europe;Switzerland=Bern=Europe;Hungary=Budapest=Europe;Romania=Bucharest=Europe;
Bulgaria=Sofia=Europe;Croatia=Zagreb=Europe;Serbia=Belgrade=Europe;Ukraine=Kyiv=Europe;Iceland=Reykjavik=Europe;
Estonia=Tallinn=Europe;Latvia=Riga=Europe;Lithuania=Vilnius=Europe;Slovakia=Bratislava=Europe;
Slovenia=Ljubljana=Europe;Albania=Tirana=Europe;Malta=Valletta=Europe;England=London=Europe;
Scotland=Edinburgh=Europe;Russia=Moscow=Europe;Japan=Tokyo=Asia;China=Beijing=Asia;India=New Delhi=Asia;
South Korea=Seoul=Asia;Thailand=Bangkok=Asia;Vietnam=Hanoi=Asia;Indonesia=Jakarta=Asia;Nepal=Kathmandu=Asia;
Iran=Tehran=Asia;Iraq=Baghdad=Asia;Mongolia=Ulaanbaatar=Asia;Bangladesh=Dhaka=Asia;Pakistan=Islamabad=Asia;
Lebanon=Beirut=Asia;Syria=Damascus=Asia;Jordan=Amman=Asia;Afghanistan=Kabul=Asia;the Philippines=Manila=Asia;
Malaysia=Kuala Lumpur=Asia;Turkey=Ankara=Asia;Egypt=Cairo=Africa;Kenya=Nairobi=Africa;Ghana=Accra=Africa;
Senegal=Dakar=Africa;Tunisia=Tunis=Africa;Algeria=Algiers=Africa;Morocco=Rabat=Africa;Ethiopia=Addis Ababa=Africa;
Uganda=Kampala=Africa;Libya=Tripoli=Africa;Zambia=Lusaka=Africa;Mali=Bamako=Africa;Angola=Luanda=Africa;
Rwanda=Kigali=Africa;Sudan=Khartoum=Africa;Nigeria=Abuja=Africa;Canada=Ottawa=North America;
the United States=Washington=North America;Mexico=Mexico City=North America;Cuba=Havana=North America;
Jamaica=Kingston=North America;Guatemala=Guatemala City=North America;Brazil=Brasilia=South America;
Argentina=Buenos Aires=South America;Chile=Santiago=South America;Peru=Lima=South America;
Colombia=Bogota=South America;Ecuador=Quito=South America;Uruguay=Montevideo=South America;
Paraguay=Asuncion=South America;Venezuela=Caracas=South America;Australia=Canberra=Oceania;
New Zealand=Wellington=Oceania"""

OPPOSITES = """big=small;hot=cold;up=down;open=closed;fast=slow;old=young;happy=sad;light=dark;wet=dry;hard=soft;full=empty;
long=short;high=low;good=bad;early=late;rich=poor;loud=quiet;clean=dirty;strong=weak;near=far;left=right;
inside=outside;day=night;summer=winter;first=last;sweet=sour;thick=thin;wide=narrow;easy=difficult;true=false;
begin=end;give=take;buy=sell;win=lose;love=hate;push=pull;yes=no;more=less;always=never;black=white;brave=afraid;
heavy=light;before=after"""

SOUNDS = """cat=A cat says meow;dog=A dog barks;cow=A cow says moo;sheep=A sheep says baa;duck=A duck says quack;
horse=A horse neighs;pig=A pig says oink;bee=A bee buzzes;snake=A snake hisses;lion=A lion roars;owl=An owl hoots;
frog=A frog croaks;mouse=A mouse squeaks;wolf=A wolf howls;rooster=A rooster crows;bird=A bird sings;
hen=A hen clucks;donkey=A donkey brays;crow=A crow caws;goat=A goat bleats"""

BABIES = """cat=kitten;dog=puppy;cow=calf;horse=foal;sheep=lamb;pig=piglet;goat=kid;duck=duckling;hen=chick;bear=cub;lion=cub;
frog=tadpole;swan=cygnet;goose=gosling;kangaroo=joey;deer=fawn;owl=owlet;butterfly=caterpillar"""

HOMES = """bee=in a hive;bird=in a nest;fish=in water;fox=in a den;rabbit=in a burrow;bear=in the forest;
penguin=in cold places in the south;polar bear=in the Arctic;camel=in the desert;monkey=in the trees;
whale=in the ocean;shark=in the sea;lion=in the grasslands of Africa;horse=in a stable;
dog=in a kennel or in a house;frog=near ponds;ant=in an ant hill;spider=in a web;mole=under the ground;
kangaroo=in Australia;panda=in the forests of China;cow=on a farm;snail=in gardens, in its shell;
beaver=in rivers and ponds;squirrel=in trees"""

LEGS = """cat=four;dog=four;horse=four;cow=four;spider=eight;ant=six;bee=six;fly=six;bird=two;human=two;hen=two;snake=no;
fish=no;octopus=no;frog=four;table=four;butterfly=six;elephant=four;penguin=two;worm=no;lion=four;beetle=six"""

EATS = """cow=grass;cat=fish and meat;dog=meat and dog food;rabbit=grass and carrots;horse=grass and hay;panda=bamboo;
monkey=fruit;bird=seeds and insects;lion=meat;bee=nectar;squirrel=nuts;mouse=cheese, seeds and grain;frog=insects;
elephant=leaves and grass;shark=fish;sheep=grass;bear=fish, berries and honey;giraffe=leaves;penguin=fish;owl=mice;
caterpillar=leaves;goat=grass and leaves;hen=grain;koala=eucalyptus leaves;spider=insects"""

COLOURS = """the sky=blue;grass=green;snow=white;coal=black;blood=red;a banana=yellow;the sun=yellow;milk=white;
an orange=orange;a carrot=orange;a lemon=yellow;a strawberry=red;chocolate=brown;an elephant=grey;
a polar bear=white;leaves in summer=green;the sea=blue;a fire engine=red;a tomato=red;salt=white;a crow=black;
a flamingo=pink;a frog=green;a cucumber=green;rice=white;a plum=purple;gold=yellow;an olive=green or black;
a pea=green;a stop light=red"""

USES = """a hammer=hit nails;a knife=cut things;a pen=write;a key=open a door;a broom=sweep the floor;a spoon=eat soup;
an umbrella=stay dry in the rain;a clock=see what time it is;a bed=sleep;a chair=sit;a lamp=have light;
a phone=talk to people who are far away;a camera=take pictures;a book=read;a map=find the way;soap=wash;
a towel=dry yourself;a brush=paint or clean;scissors=cut paper;a ladder=climb up high;a boat=travel on water;
a car=travel on the road;a fridge=keep food cold;an oven=bake bread and cakes;a kettle=boil water;a needle=sew;
a shovel=dig;a net=catch fish;a bell=make a sound;a mirror=see yourself;a ruler=measure things;
a pillow=rest your head;a computer=work, write and play;a saw=cut wood;a fork=eat;a cup=drink;a bag=carry things;
a coat=keep warm;glasses=see better;a telescope=look at the stars;a thermometer=measure how warm it is;
a bucket=carry water;money=buy things;a bicycle=ride to places;an eraser=remove pencil marks;a candle=make light;
a door=go in and out;a window=let in light and air;a bridge=cross a river;a calendar=see what day it is"""

SORTS = """rose=flower;tulip=flower;daisy=flower;lily=flower;oak=tree;pine=tree;birch=tree;willow=tree;apple=fruit;
banana=fruit;pear=fruit;grape=fruit;cherry=fruit;lemon=fruit;carrot=vegetable;onion=vegetable;potato=vegetable;
cabbage=vegetable;cat=animal;dog=animal;horse=animal;elephant=animal;robin=bird;eagle=bird;owl=bird;penguin=bird;
swan=bird;salmon=fish;trout=fish;shark=fish;ant=insect;bee=insect;butterfly=insect;beetle=insect;red=colour;
blue=colour;green=colour;piano=musical instrument;guitar=musical instrument;violin=musical instrument;
drum=musical instrument;hammer=tool;saw=tool;football=sport;tennis=sport;swimming=sport;Monday=day;July=month;
winter=season;Earth=planet;Mars=planet;Jupiter=planet;Saturn=planet;gold=metal;iron=metal;silver=metal;
copper=metal;Africa=continent;Asia=continent;Europe=continent;French=language;English=language;Spanish=language;
milk=drink;tea=drink;water=drink;bread=food;cheese=food;rice=food;shirt=piece of clothing;hat=piece of clothing;
chair=piece of furniture;table=piece of furniture;snake=reptile;lizard=reptile;whale=mammal;dolphin=mammal;
bat=mammal;circle=shape;square=shape;triangle=shape"""

PLURALS = """mouse=mice;child=children;man=men;woman=women;foot=feet;tooth=teeth;goose=geese;sheep=sheep;fish=fish;leaf=leaves;
knife=knives;baby=babies;city=cities;box=boxes;cat=cats;dog=dogs;house=houses;bus=buses;wolf=wolves;person=people;
potato=potatoes;story=stories"""

PASTS = """go=went;eat=ate;see=saw;run=ran;come=came;take=took;give=gave;write=wrote;sing=sang;swim=swam;drink=drank;
buy=bought;think=thought;bring=brought;find=found;make=made;sleep=slept;speak=spoke;fly=flew;fall=fell;know=knew;
begin=began;break=broke;teach=taught;catch=caught;build=built;win=won;lose=lost;sit=sat;stand=stood"""

DEFINITIONS = """cat=a small animal with soft fur that people keep as a pet;dog=an animal that people keep as a pet and a friend;
horse=a large animal that people can ride;cow=a large farm animal that gives milk;
sheep=a farm animal that gives wool;hen=a bird that lays eggs;bee=a small insect that makes honey;
bird=an animal with feathers and two wings;fish=an animal that lives in water;
elephant=a very large grey animal with a long trunk;lion=a big wild cat;owl=a bird that hunts at night;
frog=a small green animal that jumps and lives near water;whale=a very large animal that lives in the sea;
spider=a small animal with eight legs that makes a web;ant=a very small insect that lives in a group;
snake=a long animal with no legs;mouse=a very small animal with a long tail;rabbit=a small animal with long ears;
wolf=a wild animal that looks like a dog;bear=a big, strong animal with thick fur;
monkey=an animal that climbs trees;turtle=an animal with a hard shell;duck=a bird that swims on water;
pig=a farm animal with a round nose;goat=a farm animal with horns;
penguin=a black and white bird that swims but cannot fly;butterfly=an insect with large coloured wings;
giraffe=a tall animal with a very long neck;tree=a tall plant with a trunk and branches;
flower=the part of a plant that has colours and a nice smell;forest=a large place with many trees;
river=a long stream of water that flows to the sea;lake=a large area of water with land all around it;
sea=a very large area of salt water;island=a piece of land with water all around it;
mountain=a very high piece of land;desert=a dry place with very little rain;
volcano=a mountain that can throw out hot rock;star=a very big ball of hot gas far away in the sky;
planet=a large round body that moves around a star;cloud=a mass of tiny drops of water in the sky;
rainbow=an arc of colours in the sky after rain;storm=bad weather with strong wind and rain;
school=a place where children learn;hospital=a place where sick people get help;
library=a place with many books to borrow;museum=a place where you can see old or special things;
bakery=a shop that makes and sells bread;farm=a place where people grow food and keep animals;
bank=a place that keeps money;market=a place where people buy and sell things;
garden=a place where flowers and vegetables grow;kitchen=a room where people cook;bridge=a road over a river;
castle=a big old house with strong walls;teacher=a person who helps others learn;
doctor=a person who helps sick people;farmer=a person who works on a farm;baker=a person who makes bread;
pilot=a person who flies a plane;nurse=a person who takes care of sick people;king=a man who rules a country;
queen=a woman who rules a country or the wife of a king;friend=a person you like and trust;
neighbour=a person who lives near you;family=a group of people who belong together, like parents and children;
baby=a very young child;car=a machine with four wheels that drives on roads;
train=a long vehicle that runs on rails;plane=a machine that flies in the air;
boat=a small vehicle that travels on water;bicycle=a vehicle with two wheels that you ride with your feet;
bus=a large vehicle that carries many people;house=a building where people live;
door=something that you open to go into a room;window=an opening in a wall with glass;
table=a piece of furniture with a flat top;chair=a piece of furniture that you sit on;
bed=a piece of furniture that you sleep on;lamp=a thing that gives light;clock=a thing that shows the time;
book=a set of pages with words to read;letter=a message on paper, or a sign like A or B;
map=a picture that shows where places are;key=a small piece of metal that opens a lock;
knife=a tool with a sharp blade for cutting;hammer=a tool for hitting nails;
computer=a machine that works with information;phone=a thing that you use to talk to people far away;
camera=a machine that takes pictures;piano=a large musical instrument with black and white keys;
guitar=a musical instrument with strings;drum=a musical instrument that you hit;song=music with words;
story=a telling of things that happened, real or invented;poem=a short text with a rhythm, often with rhymes;
dream=a story that you see in your sleep;apple=a round fruit that grows on trees;banana=a long yellow fruit;
potato=a vegetable that grows under the ground;bread=a food made from flour and water;cheese=a food made from milk;
soup=a warm liquid food;cake=a sweet food that people bake;tea=a hot drink made from leaves;
coffee=a hot drink made from roasted beans;honey=a sweet food that bees make;
egg=the thing that a bird lays, from which a young bird can come;ice=frozen water;
snow=white frozen water that falls from the sky;rain=water that falls from clouds;wind=air that moves;
fire=the heat and light of something that burns;gold=a yellow metal that costs a lot;
city=a very large place with many houses and people;village=a small place with few houses;
country=a land with its own people and government;ball=a round thing to play with;
game=something that people play for fun;birthday=the day on which a person was born;
winter=the coldest season of the year;summer=the warmest season of the year;week=a time of seven days;
year=a time of twelve months;robot=a machine that can do work by itself;
language model=a program that reads and writes text;question=a sentence that asks for an answer;
word=a group of letters that means something"""
